package agent

import (
	"context"

	"github.com/codastress/codastress/harness/agent/agentpb"
	"github.com/codastress/codastress/harness/proxy"
)

// AddLink makes a link on a proxy node, which passes everything. A listen port of 0 chooses one; the description returned has it.
// The error is ErrState when the link exists, ErrNotHere, or why the address cannot be listened on.
func (c *Client) AddLink(ctx context.Context, name, listen, upstream string) (proxy.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.AddLink(ctx, &agentpb.AddLinkRequest{Name: name, Listen: listen, Upstream: upstream})
	if err != nil {
		return proxy.Link{}, known(err)
	}
	return linkOf(reply), nil
}

// SetLink cuts or heals a link. When it returns, every connection obeys. The error is ErrUnknown or ErrNotHere.
func (c *Client) SetLink(ctx context.Context, name string, state proxy.State) (proxy.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.SetLink(ctx, &agentpb.SetLinkRequest{
		Name: name, Up: agentpb.Flow(state.Up), Down: agentpb.Flow(state.Down),
		Shape: &agentpb.Shape{
			Latency: int64(state.Shape.Latency), Jitter: int64(state.Shape.Jitter),
			Bandwidth: int64(state.Shape.Bandwidth), Seed: state.Shape.Seed,
			Piece: int64(state.Shape.Piece), Pause: int64(state.Shape.Pause), Linger: int64(state.Shape.Linger), Flip: int64(state.Shape.Flip),
		},
	})
	if err != nil {
		return proxy.Link{}, known(err)
	}
	return linkOf(reply), nil
}

// ResetLink ends every connection of a link with RST and returns how many there were. The error is ErrUnknown or ErrNotHere.
func (c *Client) ResetLink(ctx context.Context, name string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.ResetLink(ctx, &agentpb.ResetLinkRequest{Name: name})
	if err != nil {
		return 0, known(err)
	}
	return int(reply.Connections), nil
}

// Links describes all links of a proxy node, sorted by name. The error is ErrNotHere.
func (c *Client) Links(ctx context.Context) ([]proxy.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	reply, err := c.agent.Links(ctx, &agentpb.LinksRequest{})
	if err != nil {
		return nil, known(err)
	}
	links := make([]proxy.Link, 0, len(reply.Links))
	for _, one := range reply.Links {
		links = append(links, linkOf(one))
	}
	return links, nil
}
