// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// A Log stores events.
type Log interface {
	// commit stores the events of group and returns when they are durable.
	commit(group []*call) error
}

// A committer stores the events of many calls at once.
type committer struct {
	log  Log
	wake chan struct{} // has room for one: queue is no longer empty

	mu    sync.Mutex // protects queue
	queue []*call
}

func (m *committer) add(c *call) {
	m.mu.Lock()
	m.queue = append(m.queue, c)
	first := len(m.queue) == 1
	m.mu.Unlock()
	if first {
		m.wake <- struct{}{}
	}
}

func (m *committer) run(ctx context.Context) error {
	var group []*call
	for {
		select {
		case <-m.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		m.mu.Lock()
		group, m.queue = m.queue, group[:0]
		m.mu.Unlock()
		if err := m.log.commit(group); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		for i, c := range group {
			c.of.pending.Add(-1)
			c.done <- struct{}{}
			group[i] = nil
		}
	}
}

// A Pebble stores events in the library that the embedded store uses.
type Pebble struct {
	db  *pebble.DB
	key []byte // of the last event; owned by commit
}

// OpenPebble opens a database in folder dir.
func OpenPebble(dir string) (*Pebble, error) {
	db, err := pebble.Open(dir, options())
	if err != nil {
		return nil, err
	}
	return &Pebble{db: db}, nil
}

func (p *Pebble) commit(group []*call) error {
	b := p.db.NewBatch()
	defer b.Close()
	for _, c := range group {
		if c.events == nil {
			continue
		}
		p.key = append(append(p.key[:0], c.key...), 0)
		p.key = binary.BigEndian.AppendUint64(p.key, uint64(c.seq))
		if err := b.Set(p.key, c.events, nil); err != nil {
			return err
		}
	}
	if b.Empty() {
		return nil
	}
	return b.Commit(pebble.Sync)
}

// A File stores events one after another in a file that nobody reads.
type File struct {
	f   *os.File
	buf []byte // of the last group; owned by commit
}

// OpenFile makes a new file.
func OpenFile(name string) (*File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &File{f: f}, nil
}

func (l *File) commit(group []*call) error {
	l.buf = l.buf[:0]
	for _, c := range group {
		if c.events == nil {
			continue
		}
		l.buf = binary.AppendUvarint(l.buf, uint64(len(c.key)))
		l.buf = append(l.buf, c.key...)
		l.buf = binary.AppendVarint(l.buf, c.seq)
		l.buf = binary.AppendUvarint(l.buf, uint64(len(c.events)))
		l.buf = append(l.buf, c.events...)
	}
	if len(l.buf) == 0 {
		return nil
	}
	if _, err := l.f.Write(l.buf); err != nil {
		return err
	}
	return Sync(l.f)
}
