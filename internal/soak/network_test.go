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
	"github.com/rs/zerolog"
)

// A network is the way to the tenant: a Toxiproxy, which is given another port, and
// left behind, when it gets stuck.
type network struct {
	server   *toxiproxy.ApiServer
	upstream string

	mu    sync.Mutex
	proxy *toxiproxy.Proxy
	addr  string
	stuck int
	conns int // that clients have open
}

func newNetwork(upstream string) (*network, error) {
	n := &network{
		server:   toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		upstream: upstream,
	}
	return n, n.replace()
}

// replace starts a proxy in the place of the one that there is.
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

// do changes the proxy. Toxiproxy 2.5.0 waits for ever, with its lock held, for a toxic
// whose connection was lost in the moment of the change; then the proxy is replaced.
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
	n.mu.Lock()
	n.stuck++
	n.mu.Unlock()
	go p.Stop() // it may never return
	return n.replace()
}

// A toxic is Toxiproxy's description of one, in its JSON form.
type toxic struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Toxicity   float64        `json:"toxicity"` // the share of connections that it hits
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

// remove takes a toxic away; it may have gone with a proxy that was stuck.
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

// down cuts all connections and refuses new ones.
func (n *network) down() error {
	return n.do(func(p *toxiproxy.Proxy) error {
		p.Stop()
		return nil
	})
}

func (n *network) up() error {
	err := n.do(func(p *toxiproxy.Proxy) error { return p.Start() })
	switch {
	case errors.Is(err, toxiproxy.ErrProxyAlreadyStarted): // a new one, if down was stuck
		return nil
	case err != nil: // its port was taken meanwhile
		return n.replace()
	}
	return nil
}

// dial connects to the proxy, whatever the address.
func (n *network) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	n.mu.Lock()
	addr := n.addr
	n.mu.Unlock()
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	n.count(1)
	return &conn{Conn: c, closed: sync.OnceFunc(func() { n.count(-1) })}, nil
}

func (n *network) count(d int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns += d
}

func (n *network) state() (conns, stuck int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns, n.stuck
}

type conn struct {
	net.Conn
	closed func()
}

func (c *conn) Close() error {
	c.closed()
	return c.Conn.Close()
}
