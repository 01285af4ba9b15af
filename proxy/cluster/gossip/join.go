// SPDX-License-Identifier: Apache-2.0

package gossip

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// atOnce is how many strangers are asked in one turn. One that answers knows the
// others.
const atOnce = 3

// lookUpTime is how long the name of a seed may take to be looked up.
const lookUpTime = 5 * time.Second

// join asks some of those that should be known and are not.
func (g *Gossip) join(ctx context.Context) {
	known := map[string]bool{}
	for _, n := range g.list.Members() {
		known[n.Address()] = true
	}
	addrs := strangers(g.lookUp(ctx), known)
	if len(addrs) == 0 {
		return
	}
	if n, err := g.list.Join(addrs); err != nil {
		g.log.Debug("not all members were reached", "asked", addrs, "reached", n, "err", err)
	}
}

// strangers returns some of addrs, any of them, that are not known.
func strangers(addrs []string, known map[string]bool) []string {
	addrs = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(addrs))), func(a string) bool { return known[a] })
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return addrs[:min(len(addrs), atOnce)]
}

// lookUp returns the addresses of the seeds.
func (g *Gossip) lookUp(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	var addrs []string
	for _, seed := range g.cfg.Seeds() {
		host, port, err := net.SplitHostPort(seed)
		if err != nil {
			g.log.Warn("not the address of a member", "address", seed, "err", err)
			continue
		}
		hosts, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil { // as long as nobody is ready there is no such name
			g.log.Debug("members are not found by name", "name", host, "err", err)
		}
		for _, h := range hosts {
			addrs = append(addrs, net.JoinHostPort(h, port))
		}
	}
	return addrs
}

// turnKeys takes over what has become of the keys.
func (g *Gossip) turnKeys() {
	if g.keyring == nil {
		return
	}
	keys := g.cfg.Keys()
	if len(keys) == 0 || slices.EqualFunc(keys, g.keyring.GetKeys(), bytes.Equal) {
		return
	}
	for _, k := range keys {
		if err := g.keyring.AddKey(k); err != nil {
			g.log.Warn("key of the gossip can't be used", "err", err)
			return
		}
	}
	if err := g.keyring.UseKey(keys[0]); err != nil {
		g.log.Warn("key of the gossip can't be used", "err", err)
		return
	}
	for _, k := range g.keyring.GetKeys() {
		if !slices.ContainsFunc(keys, func(other []byte) bool { return bytes.Equal(k, other) }) {
			if err := g.keyring.RemoveKey(k); err != nil {
				g.log.Warn("key of the gossip can't be given up", "err", err)
			}
		}
	}
	g.log.Info("keys of the gossip have changed", "keys", len(keys))
}
