package soak

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// A blackhole is a toxic that drops all data of connections that were opened before a time,
// without an error. Later connections work, as after a NAT has lost its entries.
type blackhole struct {
	Before int64 `json:"before"` // Unix time in milliseconds
}

func init() { toxics.Register("blackhole", new(blackhole)) }

// NewState returns the time when the toxic met a connection.
func (*blackhole) NewState() any { return time.Now().UnixMilli() }

func (b *blackhole) Pipe(stub *toxics.ToxicStub) {
	if stub.State.(int64) >= b.Before {
		new(toxics.NoopToxic).Pipe(stub)
		return
	}
	new(toxics.TimeoutToxic).Pipe(stub)
}

// Cleanup closes the connection: the data that was dropped is missing.
func (b *blackhole) Cleanup(stub *toxics.ToxicStub) {
	if stub.State.(int64) < b.Before {
		stub.Close()
	}
}

// swallow drops all data of the connections that are open now, and returns a function that ends
// that.
func (n *network) swallow() (end func() error, err error) {
	const grace = 20 * time.Millisecond // until the toxic has met all connections
	before := int(time.Now().Add(grace).UnixMilli())
	streams := []string{"upstream", "downstream"}
	for _, stream := range streams {
		err = errors.Join(err, n.add(toxic{"blackhole-" + stream, "blackhole", stream, 1, map[string]int{"before": before}}))
	}
	return func() (err error) {
		for _, stream := range streams {
			err = errors.Join(err, n.remove("blackhole-"+stream))
		}
		return err
	}, err
}

// A network connects clients to the tenant through Toxiproxy. A proxy that deadlocks is replaced
// by one on another port.
type network struct {
	server   *toxiproxy.ApiServer
	upstream string

	mu    sync.Mutex
	proxy *toxiproxy.Proxy
	addr  string
}

func newNetwork(upstream string) (*network, error) {
	n := &network{
		server:   toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		upstream: upstream,
	}
	return n, n.replace()
}

// replace starts a new proxy and uses it from now on.
func (n *network) replace() error {
	p := toxiproxy.NewProxy(n.server, "soak", "127.0.0.1:0", n.upstream)
	if err := p.Start(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proxy, n.addr = p, p.Listen
	return nil
}

// do changes the proxy. Toxiproxy 2.5.0 may deadlock: it waits for a toxic while holding a
// lock, and the toxic's connection was lost during the change. do then replaces the proxy.
func (n *network) do(change func(*toxiproxy.Proxy) error) error {
	n.mu.Lock()
	p := n.proxy
	n.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- change(p) }()
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	go p.Stop() // it may never return
	return n.replace()
}

// A toxic describes a toxic in Toxiproxy's JSON form.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Toxicity   float64        `json:"toxicity"` // fraction of connections that it affects
	Attributes map[string]int `json:"attributes"`
}

func (n *network) add(t toxic) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return n.do(func(p *toxiproxy.Proxy) error {
		_, err := p.Toxics.AddToxicJson(strings.NewReader(string(data)))
		return err
	})
}

// remove removes a toxic. A toxic that does not exist is no error: its proxy may be replaced.
func (n *network) remove(name string) error {
	return n.do(func(p *toxiproxy.Proxy) error {
		err := p.Toxics.RemoveToxic(context.Background(), name)
		if errors.Is(err, toxiproxy.ErrToxicNotFound) {
			return nil
		}
		return err
	})
}

func (n *network) reset() error {
	return n.do(func(p *toxiproxy.Proxy) error {
		p.Toxics.ResetToxics(context.Background())
		return nil
	})
}

// down closes all connections and refuses new ones.
func (n *network) down() error {
	return n.do(func(p *toxiproxy.Proxy) error {
		p.Stop()
		return nil
	})
}

// up accepts connections again.
func (n *network) up() error {
	err := n.do(func(p *toxiproxy.Proxy) error { return p.Start() })
	switch {
	case errors.Is(err, toxiproxy.ErrProxyAlreadyStarted): // replaced, if down deadlocked
		return nil
	case err != nil: // another process may have taken its port
		return n.replace()
	}
	return nil
}

// dial connects to the proxy and ignores the address.
func (n *network) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	n.mu.Lock()
	addr := n.addr
	n.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, addr)
}
