// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/record"
)

// How often commits look for rows that have expired, and how many of them one
// takes away at most: more than it can bring, so that they don't become more.
const (
	sweepEvery = time.Second
	sweepRows  = 256
)

// addReply adds the reply of w, unless there is one already.
func (st *stage) addReply(number uint16, w *entity.Write) {
	r := w.Reply
	st.key = append(append(appendInstance(st.key[:0], number, w.Key.ID), kindReply), r.Key...)
	_, closer, err := st.s.db.Get(st.key)
	switch {
	case err == nil:
		st.fail(errors.Join(repeated(w), closer.Close()))
	case st.replied[string(st.key)]:
		st.fail(repeated(w))
	case !errors.Is(err, pebble.ErrNotFound):
		st.fail(err)
	}
	if st.err != nil {
		return
	}
	if st.replied == nil {
		st.replied = map[string]bool{}
	}
	st.replied[string(st.key)] = true
	st.row = binary.AppendUvarint(st.row[:0], uint64(record.Milliseconds(r.Expires)))
	st.row = record.AppendReply(st.row, r)
	st.fail(st.batch.Set(st.key, st.row, nil))
	if !r.Expires.IsZero() {
		st.addExpiry(r.Expires)
	}
}

func repeated(w *entity.Write) error {
	return fmt.Errorf("%s of %v: %w", w.Reply.Method, w.Key, entity.ErrRepeated)
}

// trim takes away the events of w's instance up to w.Trim.
func (st *stage) trim(number uint16, w *entity.Write) {
	from := append(appendInstance(nil, number, w.Key.ID), kindEvent)
	st.fail(st.batch.DeleteRange(from, appendSeq(append(appendInstance(nil, number, w.Key.ID), kindEvent), w.Trim+1), nil))
}

// addExpiry notes that the row under st.key is to be taken away at some time. One
// that is over already is noted for now, where it will still be seen.
func (st *stage) addExpiry(at time.Time) {
	st.row = append(expiryRow(st.row[:0], max(record.Milliseconds(at), st.swept)), st.key...)
	st.fail(st.batch.Set(st.row, nil, nil))
}

func expiryRow(b []byte, ms int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceExpiry), uint64(ms))
}

// sweep takes away some rows that have expired, if it is time to look. It comes
// before all else in a batch, so that what is added anew stays.
func (st *stage) sweep(now time.Time) {
	s := st.s
	st.swept = s.swept
	if now.Before(s.sweepAt) {
		return
	}
	s.sweepAt = now.Add(sweepEvery)
	upper := max(now.UnixMilli(), st.swept) // the clock may go back
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: expiryRow(nil, st.swept), UpperBound: expiryRow(nil, upper)})
	if err != nil {
		st.fail(err)
		return
	}
	st.swept = upper
	n := 0
	for ok := it.First(); ok && st.err == nil; ok = it.Next() {
		if n++; n > sweepRows {
			s.sweepAt = now // there are more
			st.swept = int64(binary.BigEndian.Uint64(it.Key()[1:]))
			break
		}
		st.expire(it.Key(), now)
	}
	st.fail(errors.Join(it.Error(), it.Close()))
}

// expire takes away the row that an entry under spaceExpiry leads to, unless
// that was replaced by one that lasts longer.
func (st *stage) expire(entry []byte, now time.Time) {
	const prefix = 1 + 8
	st.fail(st.batch.Delete(entry, nil))
	key := entry[prefix:]
	row, closer, err := st.s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return
	}
	if err != nil {
		st.fail(err)
		return
	}
	defer func() { st.fail(closer.Close()) }()
	_, rest, err := readID(key[3:])
	switch {
	case err != nil:
		st.fail(err)
	case rest[0] == kindValue:
		v, err := readValue(row)
		st.fail(err)
		if err == nil && over(v.Expires, now) {
			st.fail(st.batch.Set(key, appendValue(nil, &entity.Value{Version: v.Version}), nil))
		}
	default:
		ms, _ := binary.Uvarint(row)
		if over(record.Time(int64(ms)), now) {
			st.fail(st.batch.Delete(key, nil))
		}
	}
}

// over reports whether now is not before at, which may be never.
func over(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Reply returns what is remembered of the command idem of key, and false if that
// is nothing.
func (s *Store) Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error) {
	r, ok, err := s.reply(ctx, key, idem)
	if err != nil {
		return entity.Reply{}, false, fmt.Errorf("reply %q of %v: %w", idem, key, err)
	}
	return r, ok, nil
}

func (s *Store) reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (r entity.Reply, ok bool, err error) {
	it, prefix, err := s.read(ctx, key, kindReply)
	if err != nil || it == nil {
		return entity.Reply{}, false, err
	}
	defer func() { err = errors.Join(err, s.close(it)) }()
	want := string(append(prefix, idem...))
	if !it.SeekGE([]byte(want)) || string(it.Key()) != want {
		return entity.Reply{}, false, it.Error()
	}
	row, err := it.ValueAndErr()
	if err != nil {
		return entity.Reply{}, false, err
	}
	ms, w := binary.Uvarint(row)
	if w <= 0 {
		return entity.Reply{}, false, errRow
	}
	r, err = record.ReadReply(row[w:])
	r.Key, r.Expires = idem, record.Time(int64(ms))
	return r, err == nil, err
}
