// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// send does what w says about the outbox. Readers may still have the rows of
// before, so those are copied.
func (in *instance) send(w *entity.Write) {
	if len(w.Sent) == 0 && len(w.Outbox) == 0 {
		return
	}
	in.outbox = slices.Clone(in.outbox)
	for _, id := range w.Sent {
		if i, ok := in.find(id); ok {
			in.outbox = slices.Delete(in.outbox, i, i+1)
		}
	}
	for _, row := range w.Outbox {
		row.Source, row.Target, row.Trouble = in.key, cloneTarget(row.Target), strings.Clone(row.Trouble)
		if i, ok := in.find(row.ID); ok {
			in.outbox[i] = row
		} else {
			in.outbox = slices.Insert(in.outbox, i, row)
		}
	}
}

// remember keeps a reply of in, which isn't there yet.
func (s *Store) remember(in *instance, r *entity.Reply) {
	kept := *r
	kept.Key = entity.IdemKey(strings.Clone(string(r.Key)))
	kept.Method, kept.Payload, kept.Meta = strings.Clone(r.Method), clonePayload(r.Payload), cloneMetadata(r.Meta)
	if r.Refusal != nil {
		refusal := *r.Refusal
		kept.Refusal = &refusal
	}
	if f := r.Forward; f != nil {
		kept.Forward = &entity.Forwarded{Target: cloneTarget(f.Target), Key: f.Key}
	}
	if in.replies == nil {
		in.replies = map[entity.IdemKey]entity.Reply{}
	}
	in.replies[kept.Key] = kept
	heap.Push(&s.expiries, expiry{kept.Expires, in, kept.Key})
}

// forgotten is how many replies a commit forgets at most: more than it can
// bring, so that they don't become more.
const forgotten = 128

// forget removes replies that have expired.
func (s *Store) forget(now time.Time) {
	for n := 0; n < forgotten && len(s.expiries) > 0 && !now.Before(s.expiries[0].at); n++ {
		e := heap.Pop(&s.expiries).(expiry)
		delete(e.of.replies, e.key)
	}
}

// expiries are the replies that there are, the one that expires first in front.
type expiries []expiry

type expiry struct {
	at  time.Time
	of  *instance
	key entity.IdemKey
}

// Len implements [heap.Interface].
func (e *expiries) Len() int { return len(*e) }

// Less implements [heap.Interface].
func (e *expiries) Less(i, j int) bool { return (*e)[i].at.Before((*e)[j].at) }

// Swap implements [heap.Interface].
func (e *expiries) Swap(i, j int) { (*e)[i], (*e)[j] = (*e)[j], (*e)[i] }

// Push implements [heap.Interface].
func (e *expiries) Push(x any) { *e = append(*e, x.(expiry)) }

// Pop implements [heap.Interface].
func (e *expiries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = expiry{}
	*e = (*e)[:last]
	return x
}

func clonePayload(p entity.Payload) entity.Payload {
	return entity.Payload{TypeURL: strings.Clone(p.TypeURL), Value: slices.Clone(p.Value)}
}

func cloneMetadata(md entity.Metadata) entity.Metadata {
	md = slices.Clone(md)
	for i := range md {
		md[i] = entity.MetadataEntry{Name: strings.Clone(md[i].Name), Value: strings.Clone(md[i].Value)}
	}
	return md
}

func cloneTarget(t entity.Target) entity.Target {
	return entity.Target{
		Service: strings.Clone(t.Service), Command: strings.Clone(t.Command), Payload: clonePayload(t.Payload), Meta: cloneMetadata(t.Meta),
	}
}
