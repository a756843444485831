package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/codastress/codastress/harness/history"
)

// A Mix says which faults a schedule is made of.
type Mix struct {
	Must    []string       // each of them once; a name that stands there twice, twice
	Weights map[string]int // of the faults that fill the rest of the time; none where it is empty
}

// MassDeleteMix is the mix of the main job: a partition, a restart of venus and a restart of codasrv, then anything that there is time for.
func MassDeleteMix() Mix {
	weights := map[string]int{}
	for _, fault := range All() {
		weights[fault.Name()] = 1
	}
	return Mix{Must: []string{"partition", "kill-venus", "kill-codasrv"}, Weights: weights}
}

// A ScheduleRequest is what a nemesis schedule is made from.
type ScheduleRequest struct {
	Topology Topology
	Known    []Fault // what there is; nil is All
	Seed     uint64
	Load     time.Duration // length of the load phase
	Mix      Mix
	Least    time.Duration // the least length of a fault; zero means DefaultLeast
	Gap      time.Duration // the least time from the healing of a fault to the next one; zero means DefaultGap
	Overlap  bool          // faults that share no node may overlap
}

// DefaultGap is long enough for a daemon to be restarted and to be back at work.
const DefaultGap = 1500 * time.Millisecond

// DefaultLeast is long enough for clients to notice a fault.
const DefaultLeast = 500 * time.Millisecond

const (
	// longest bounds the length of a fault in a long load, if the least is not above it: many faults show more than a long one.
	longest = 30 * time.Second
	// typical is the length that is reckoned with when the rest of the time is filled, or the least, where that is longer.
	typical = 3 * time.Second
	// headParts and tailParts of a hundred of the load are free of faults: what was healed last needs time to show that it is.
	headParts, tailParts = 5, 20
)

// Schedule places faults in the time of the load. It is a pure function of the request. Everything is healed before the last fifth of the
// load, faults that share a node never overlap, and faults are a gap apart.
func Schedule(request ScheduleRequest) ([]history.Step, error) {
	if request.Gap < 0 || request.Least < 0 || request.Load < 0 {
		return nil, errors.New("the gap, the least length of a fault and the length of the load must not be negative")
	}
	if request.Least == 0 {
		request.Least = DefaultLeast
	}
	if request.Gap == 0 {
		request.Gap = DefaultGap
	}
	if request.Known == nil {
		request.Known = All()
	}
	s := scheduler{ScheduleRequest: request, random: rand.New(rand.NewPCG(request.Seed, 0))}
	s.first = request.Load * headParts / 100
	s.last = request.Load * (100 - tailParts) / 100
	steps, err := s.draw()
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	s.place(steps)
	slices.SortStableFunc(steps, func(a, b history.Step) int { return int(a.Start - b.Start) })
	return steps, nil
}

// scheduler is a schedule in the making.
type scheduler struct {
	ScheduleRequest
	random      *rand.Rand
	first, last time.Duration // between which the faults are
}

// draw chooses the faults, in a random order, and whom they hit.
func (s *scheduler) draw() ([]history.Step, error) {
	var steps []history.Step
	for _, name := range s.Mix.Must {
		step, err := s.aim(name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	if need := s.least(len(steps)); need > s.last-s.first {
		return nil, fmt.Errorf("%d faults do not fit into a load of %v: it must last at least %v",
			len(steps), s.Load, (need*100/(100-headParts-tailParts) + time.Millisecond - 1).Truncate(time.Millisecond))
	}
	extras, err := s.extras(len(steps))
	if err != nil {
		return nil, err
	}
	steps = append(steps, extras...)
	s.random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return steps, nil
}

// least is the time that a number of faults need at least.
func (s *scheduler) least(faults int) time.Duration {
	if faults == 0 {
		return 0
	}
	return time.Duration(faults)*(s.Least+s.Gap) - s.Gap
}

// extras draws faults for the time that so many others leave.
func (s *scheduler) extras(have int) ([]history.Step, error) {
	var names []string // each as often as it weighs
	for _, fault := range s.Known {
		if fault.Applies(s.Topology) == nil {
			names = append(names, slices.Repeat([]string{fault.Name()}, max(s.Mix.Weights[fault.Name()], 0))...)
		}
	}
	for name := range s.Mix.Weights {
		if _, err := findIn(s.Known, name); err != nil {
			return nil, err
		}
	}
	room := int((s.last-s.first+s.Gap)/(max(typical, s.Least)+s.Gap)) - have
	if len(names) == 0 || room <= 0 {
		return nil, nil
	}
	var steps []history.Step
	for range s.random.IntN(room + 1) {
		step, err := s.aim(names[s.random.IntN(len(names))])
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// aim chooses whom a fault hits.
func (s *scheduler) aim(name string) (history.Step, error) {
	fault, err := findIn(s.Known, name)
	if err != nil {
		return history.Step{}, err
	}
	if err := fault.Applies(s.Topology); err != nil {
		return history.Step{}, err
	}
	targets := fault.Targets(s.Topology)
	return history.Step{
		Phase: "fault", Kind: "fault", Name: name, Nodes: targets[s.random.IntN(len(targets))], Seed: s.random.Uint64(),
	}, nil
}

// place gives every fault its time: one after the other, or where overlaps are allowed at random.
func (s *scheduler) place(steps []history.Step) {
	gaps := time.Duration(len(steps)-1) * s.Gap
	share := (s.last - s.first - gaps) / time.Duration(len(steps))
	var used time.Duration
	for i := range steps {
		most := min(share, max(longest, s.Least))
		steps[i].Length = s.between(max(s.Least, most/2), most)
		used += steps[i].Length
	}
	if s.Overlap && s.scatter(steps) {
		return
	}
	s.queue(steps, s.last-s.first-gaps-used)
}

// queue places the faults one after the other and spreads the slack before and between them.
func (s *scheduler) queue(steps []history.Step, slack time.Duration) {
	cuts := make([]time.Duration, len(steps))
	for i := range cuts {
		cuts[i] = s.between(0, slack)
	}
	slices.Sort(cuts)
	at := s.first
	for i := range steps {
		steps[i].Start = at + cuts[i]
		at += steps[i].Length + s.Gap
	}
}

// scatterTries bounds the search for a place of one fault among the others.
const scatterTries = 100

// scatter places the faults at random, and gives up when one finds no place.
func (s *scheduler) scatter(steps []history.Step) bool {
	for i := range steps {
		tries := 0
		for {
			steps[i].Start = s.between(s.first, s.last-steps[i].Length)
			if !slices.ContainsFunc(steps[:i], func(other history.Step) bool { return s.collide(steps[i], other) }) {
				break
			}
			if tries++; tries == scatterTries {
				return false
			}
		}
	}
	return true
}

// collide says whether two faults that share a node are closer than the gap.
func (s *scheduler) collide(a, b history.Step) bool {
	share := slices.ContainsFunc(a.Nodes, func(node string) bool { return slices.Contains(b.Nodes, node) })
	return share && a.Start < b.Start+b.Length+s.Gap && b.Start < a.Start+a.Length+s.Gap
}

// between draws a time, a whole number of milliseconds above the least.
func (s *scheduler) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(s.random.Int64N(int64(most-least)+1)).Truncate(time.Millisecond)
}
