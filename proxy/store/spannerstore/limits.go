// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"fmt"
	"unicode/utf8"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// The limits of Cloud Spanner that a write could exceed.
const (
	maxKey     = 8 << 10   // bytes of the key of a row
	maxCell    = 10 << 20  // bytes of a column
	maxCommit  = 100 << 20 // bytes of a commit, all told; base64 is on the wire only
	maxChanges = 80_000    // columns written by a commit
	laneCost   = 16        // columns that moving the lane writes
	fixedKey   = 4 * 8     // bytes of the numbers in a key
	maxIdem    = 2 << 10   // bytes of an idempotency key, so that there is room for the rest
	maxBeside  = 128 << 10 // bytes that may come beside a payload in a column
)

// allow returns an error that wraps [entity.ErrRefused] if Spanner would never
// take writes, as one commit. It looks before anything is sent, so that the error
// names the culprit.
func (s *Store) allow(writes []entity.Write) error {
	size, columns := 0, laneCost
	for i := range writes {
		w := &writes[i]
		if err := s.allowOne(w); err != nil {
			return fmt.Errorf("%s %.100q: %w: %w", w.Key.Entity, w.Key.ID, err, entity.ErrRefused)
		}
		size += w.Size()
		columns += cost(w)
	}
	switch {
	case size > maxCommit:
		return fmt.Errorf("%d bytes in one commit, and Spanner takes %d: %w", size, maxCommit, entity.ErrRefused)
	case columns > maxChanges:
		return fmt.Errorf("%d columns in one commit, and Spanner takes %d: %w", columns, maxChanges, entity.ErrRefused)
	}
	return nil
}

// cost returns how many columns w writes.
func cost(w *entity.Write) int {
	n := len(instanceColumns) + len(w.Events)*len(eventColumns)
	if w.Snapshot != nil {
		n += len(snapshotColumns)
	}
	if w.Value != nil {
		n += len(valueColumns)
	}
	if w.Reply != nil {
		n += len(replyColumns)
	}
	return n + len(w.Sent) + len(w.Outbox)*len(outboxColumns)
}

func (s *Store) allowOne(w *entity.Write) error {
	if n, most := len(w.Key.Entity)+len(w.Key.ID), s.MaxKey(); n > most {
		return fmt.Errorf("entity and key of %d bytes, and Spanner has room for %d", n, most)
	}
	if w.Reply != nil && len(w.Reply.Key) > maxIdem {
		return fmt.Errorf("idempotency key of %d bytes, and Spanner has room for %d", len(w.Reply.Key), maxIdem)
	}
	for i := range w.Events {
		if err := allowPayload("event", w.Events[i].Payload); err != nil {
			return err
		}
	}
	if w.Snapshot != nil {
		if err := allowPayload("snapshot", w.Snapshot.Payload); err != nil {
			return err
		}
	}
	if w.Value != nil {
		if err := allowPayload("value", w.Value.Payload); err != nil {
			return err
		}
	}
	if w.Reply != nil && len(w.Reply.Payload.Value) > maxCell-maxBeside {
		return fmt.Errorf("reply of %d bytes, and Spanner takes %d", len(w.Reply.Payload.Value), maxCell-maxBeside)
	}
	for i := range w.Outbox {
		if n := len(w.Outbox[i].Target.Payload.Value); n > maxCell-maxBeside {
			return fmt.Errorf("effect or forward of %d bytes, and Spanner takes %d", n, maxCell-maxBeside)
		}
	}
	return nil
}

func allowPayload(what string, p entity.Payload) error {
	switch {
	case len(p.Value) > maxCell:
		return fmt.Errorf("%s of %d bytes, and Spanner takes %d", what, len(p.Value), maxCell)
	case !utf8.ValidString(p.TypeURL):
		return fmt.Errorf("type URL %q of a %s is not UTF-8", p.TypeURL, what)
	}
	return nil
}
