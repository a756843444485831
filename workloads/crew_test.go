package workloads

import (
	"testing"
	"time"

	"github.com/codastress/codastress/harness/history"
	"github.com/stretchr/testify/require"
)

// crewed are the workloads of processes with directories of their own, what makes them short, and what they do so much of that a file system that is wrong
// there is found out.
func crewed() map[string]struct {
	workload Workload
	args     []string
	kinds    []history.Kind
	wrong    []defect
} {
	type row = struct {
		workload Workload
		args     []string
		kinds    []history.Kind
		wrong    []defect
	}
	return map[string]row{
		"create-storm": {
			CreateStorm(),
			[]string{"operations", "200"},
			[]history.Kind{history.Write, history.Remove},
			[]defect{{keepsRemoved: true}, {losesFiles: true}},
		},
		"rename-storm": {
			RenameStorm(),
			[]string{"operations", "300"},
			[]history.Kind{history.Rename, history.Read},
			[]defect{{keepsRenamed: true}},
		},
		"shared-directory": {
			SharedDirectory(),
			[]string{"operations", "300"},
			[]history.Kind{history.Write, history.Remove, history.MakeDirectory, history.RemoveDirectory},
			[]defect{{keepsRemoved: true}, {losesWrites: true}},
		},
		"append-log": {
			AppendLog{},
			[]string{"operations", "200", "rotate", "10"},
			[]history.Kind{history.Append, history.Read, history.Remove},
			[]defect{{losesWrites: true}, {keepsRemoved: true}},
		},
		"deep-tree": {
			DeepTree{},
			[]string{"operations", "500"},
			[]history.Kind{history.MakeDirectory, history.RemoveDirectory, history.Read, history.List},
			[]defect{{losesFiles: true}},
		},
		"large-files": {
			LargeFiles(),
			[]string{"operations", "100", "size", "20000"},
			[]history.Kind{history.Write, history.Edit, history.Read},
			[]defect{{losesWrites: true}},
		},
		"register": {
			Register{},
			[]string{"operations", "200"},
			[]history.Kind{history.Write, history.Read},
			[]defect{{losesWrites: true}},
		},
		"mmap": {
			Mmap(),
			[]string{"operations", "100", "size", "20000"},
			[]history.Kind{history.Write, history.Edit, history.Read},
			[]defect{{losesWrites: true}},
		},
		"trace": {
			Trace{},
			[]string{"operations", "200"},
			[]history.Kind{history.Write, history.Rename, history.Read},
			[]defect{{losesFiles: true}, {keepsRenamed: true}},
		},
		"hard-links": {
			HardLinks(),
			[]string{"operations", "300"},
			[]history.Kind{history.Link, history.Write, history.Remove},
			[]defect{{losesWrites: true}},
		},
	}
}

// short is a plan for two clients that ends with the operations of its processes.
func short(t *testing.T, workload Workload, args ...string) []history.Step {
	t.Helper()
	r := with(append([]string{"workers", "2", "think", "0s"}, args...)...)
	r.Clients, r.Seed, r.Load = []string{"client1", "client2"}, 7, time.Hour
	if has(workload, "hold") {
		r.Args["hold"] = "0s"
	}
	steps, err := workload.Plan(r)
	require.NoError(t, err)
	return steps
}

func TestCrewsAreSoundOnASoundFileSystem(t *testing.T) {
	for name, test := range crewed() {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, name, test.workload.Name())
			j := carryOutTogether(t, test.workload, short(t, test.workload, test.args...), &defect{})
			require.Empty(t, failures(t, j.run))
			done := map[history.Kind]int{}
			for op := range j.run.Operations.All() {
				if op.Outcome == history.OK {
					done[op.Kind]++
				}
			}
			for _, kind := range test.kinds {
				require.Greater(t, done[kind], 10, kind)
			}
			for _, load := range j.loads {
				require.GreaterOrEqual(t, load.Done, load.Wanted, "step %d", load.Step)
			}
		})
	}
}

func TestCrewsShowAFileSystemThatIsWrong(t *testing.T) {
	for name, test := range crewed() {
		for i := range test.wrong {
			wrong := &test.wrong[i]
			t.Run(name+" "+wrong.String(), func(t *testing.T) {
				j := carryOutTogether(t, test.workload, short(t, test.workload, test.args...), wrong)
				require.Positive(t, wrong.done)
				require.NotEmpty(t, failures(t, j.run))
			})
		}
	}
}
