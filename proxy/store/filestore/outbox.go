// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/record"
)

// kindRow is what follows the 00 at the end of the id in the key of a row of the
// outbox.
const kindRow = 0x01

// addOutbox takes away the rows that w says are sent, and adds those it has.
func (st *stage) addOutbox(number uint16, w *entity.Write) {
	of := shard.Of(w.Key)
	st.key = append(st.key[:0], spaceOutbox, byte(of>>8), byte(of), byte(number>>8), byte(number))
	st.key = append(appendID(st.key, w.Key.ID), kindRow)
	n := len(st.key)
	for _, id := range w.Sent {
		st.key = appendOutboxID(st.key[:n], id)
		st.fail(st.batch.Delete(st.key, nil))
	}
	for i := range w.Outbox {
		st.key = appendOutboxID(st.key[:n], w.Outbox[i].ID)
		st.row = record.AppendRow(st.row[:0], &w.Outbox[i])
		st.fail(st.batch.Set(st.key, st.row, nil))
	}
}

func appendOutboxID(b []byte, id entity.OutboxID) []byte {
	return appendSeq(appendSeq(b, entity.Seq(id.Member)), entity.Seq(id.N))
}

// readOutboxID reads all of b as what appendOutboxID has appended.
func readOutboxID(b []byte) (entity.OutboxID, error) {
	if len(b) == 0 || len(b) <= int(b[0]) {
		return entity.OutboxID{}, errRow
	}
	split := int(b[0]) + 1
	member, err := readSeq(b[:split])
	n, err2 := readSeq(b[split:])
	return entity.OutboxID{Member: entity.Member(member), N: int64(n)}, errors.Join(err, err2)
}

// Outbox returns the rows of the shards from first to last, those of one
// instance together and in order. It ends where the outbox ended when it got
// there.
func (s *Store) Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error] {
	return func(yield func(entity.OutboxRow, error) bool) {
		names := s.names()
		lower := []byte{spaceOutbox, byte(first >> 8), byte(first)}
		upper := binary.BigEndian.AppendUint16([]byte{spaceOutbox}, uint16(last)+1)
		for p, err := range s.pairs(ctx, lower, upper) {
			var row entity.OutboxRow
			if err == nil {
				row, err = readOutboxRow(p, names)
			}
			if err != nil {
				yield(entity.OutboxRow{}, fmt.Errorf("outbox of shards %d to %d: %w", first, last, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func readOutboxRow(p pair, names []string) (entity.OutboxRow, error) {
	if len(p.key) < 5 {
		return entity.OutboxRow{}, errRow
	}
	number := binary.BigEndian.Uint16(p.key[3:])
	id, rest, err := readID(p.key[5:])
	if err != nil || int(number) >= len(names) || rest[0] != kindRow {
		return entity.OutboxRow{}, errRow
	}
	row, err := record.ReadRow(p.value)
	if err != nil {
		return entity.OutboxRow{}, err
	}
	row.Source = entity.Key{Entity: names[number], ID: id}
	row.ID, err = readOutboxID(rest[1:])
	return row, err
}
