// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// look finds out where the journal of an instance ends, if nobody has yet: at
// its last event, or at its snapshot if that is after it.
func (st *stage) look(number uint16, id string, c *chain) {
	if c.staged != unknown || st.err != nil {
		return
	}
	last, err := st.seekLast(number, id)
	if err == nil {
		var at entity.Seq
		at, err = st.position(append(appendInstance(st.key[:0], number, id), kindSnapshot))
		last = max(last, at)
	}
	st.fail(err)
	c.found(last, err)
}

// position returns what the row under key begins with: the version of a value
// or the position of a snapshot, 0 if there is none.
func (st *stage) position(key []byte) (entity.Seq, error) {
	row, closer, err := st.s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	at, n := binary.Uvarint(row)
	if n <= 0 {
		err = errRow
	}
	return entity.Seq(at), errors.Join(err, closer.Close())
}

// seekLast looks for the last event of an instance; 0 if it has none.
func (st *stage) seekLast(number uint16, id string) (entity.Seq, error) {
	if st.seeker == nil {
		it, err := st.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceData}, UpperBound: []byte{spaceData + 1}})
		if err != nil {
			return 0, err
		}
		st.seeker = it
	}
	st.key = append(appendInstance(st.key[:0], number, id), kindEvent)
	n := len(st.key)
	if !st.seeker.SeekLT(append(st.key, math.MaxUint8)) {
		return 0, st.seeker.Error()
	}
	key := st.seeker.Key()
	if len(key) <= n || string(key[:n]) != string(st.key) {
		return 0, nil
	}
	seq, err := readSeq(key[n:])
	return seq, errors.Join(err, st.seeker.Error())
}
