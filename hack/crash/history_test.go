// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// An op is what a client asked of a cart: to add a product, or to show it.
type op struct {
	cart string
	add  string // the product; "" to show the cart
}

// A result is what the client was told.
type result struct {
	known    bool
	products string // of the cart, in order, each followed by a space
}

// A history is what all clients asked and were told.
type history struct {
	began time.Time

	mu  sync.Mutex // protects ops
	ops []porcupine.Operation
}

func newHistory() *history { return &history{began: time.Now()} }

// record notes a call of a client; without an answer if answered is false.
func (h *history) record(client int, o op, call time.Time, products string, answered bool) {
	end := int64(math.MaxInt64)
	if answered {
		end = int64(time.Since(h.began))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{
		ClientId: client,
		Input:    o,
		Call:     int64(call.Sub(h.began)),
		Output:   result{answered, products},
		Return:   end,
	})
}

// acknowledged returns how many changes were.
func (h *history) acknowledged() int {
	n := 0
	for _, o := range h.ops {
		if o.Input.(op).add != "" && o.Output.(result).known {
			n++
		}
	}
	return n
}

// A step is a call as the model sees it. Since every product is unique and the
// last thing that is asked of a cart is to be shown, it is known at which place
// each change took effect: that makes the search for an order of the calls
// short, and leaves none out.
type step struct {
	cart string
	add  bool
	at   int // the place of the product; or how many products were shown; -1 if the answer fits no order
}

// model is a cart as its clients see it: how many products it has.
var model = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		byCart := map[string][]porcupine.Operation{}
		for _, o := range ops {
			cart := o.Input.(step).cart
			byCart[cart] = append(byCart[cart], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byCart {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		n, s := state.(int), input.(step)
		if s.add {
			return s.at == n, n + 1
		}
		return s.at == n, n
	},
}

// steps returns the calls as the model sees them, without those that had no
// effect and no answer.
func (h *history) steps() []porcupine.Operation {
	last := h.last()
	var steps []porcupine.Operation
	for _, o := range h.ops {
		in, out := o.Input.(op), o.Output.(result)
		s := step{cart: in.cart, add: in.add != "", at: -1}
		final := last[in.cart]
		if s.add {
			s.at = slices.Index(strings.Fields(final), in.add)
		} else if strings.HasPrefix(final, out.products) {
			s.at = strings.Count(out.products, " ")
		}
		if out.known || s.add && s.at >= 0 {
			o.Input = s
			steps = append(steps, o)
		}
	}
	return steps
}

// last returns what each cart showed last.
func (h *history) last() map[string]string {
	last, when := map[string]string{}, map[string]int64{}
	for _, o := range h.ops {
		in, out := o.Input.(op), o.Output.(result)
		if in.add == "" && out.known && o.Call >= when[in.cart] {
			last[in.cart], when[in.cart] = out.products, o.Call
		}
	}
	return last
}

// linearizable returns whether an order of the calls explains the answers.
func (h *history) linearizable() bool {
	return porcupine.CheckOperations(model, h.steps())
}

// check fails the test if no order of the calls explains the answers.
func (h *history) check(t *testing.T) {
	t.Helper()
	if !h.linearizable() {
		t.Fatalf("the history is not linearizable:\n%s", h)
	}
}

// String returns the history for people, by time of the call.
func (h *history) String() string {
	slices.SortFunc(h.ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range h.ops {
		in, out := o.Input.(op), o.Output.(result)
		b.WriteString(time.Duration(o.Call).String() + " " + in.cart)
		switch {
		case in.add != "":
			b.WriteString(" add " + in.add)
		default:
			b.WriteString(" show")
		}
		if out.known {
			b.WriteString(" -> " + time.Duration(o.Return).String() + " " + out.products)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestCheckFindsFaults makes sure that the check can fail.
func TestCheckFindsFaults(t *testing.T) {
	add := func(p string, from, to int64) porcupine.Operation {
		return porcupine.Operation{Input: op{"c", p}, Call: from, Output: result{known: true}, Return: to}
	}
	lost := func(p string, from int64) porcupine.Operation {
		return porcupine.Operation{Input: op{"c", p}, Call: from, Output: result{}, Return: math.MaxInt64}
	}
	show := func(products string, from, to int64) porcupine.Operation {
		return porcupine.Operation{Input: op{"c", ""}, Call: from, Output: result{true, products}, Return: to}
	}
	for _, tt := range []struct {
		name string
		ops  []porcupine.Operation
		want bool
	}{
		{"one after the other", []porcupine.Operation{add("a", 1, 2), add("b", 3, 4), show("a b ", 5, 6)}, true},
		{"acknowledged and lost", []porcupine.Operation{add("a", 1, 2), add("b", 3, 4), show("b ", 5, 6)}, false},
		{"applied twice", []porcupine.Operation{add("a", 1, 2), show("a a ", 5, 6)}, false},
		{"applied twice, in between", []porcupine.Operation{add("a", 1, 2), add("b", 1, 2), show("a b a ", 5, 6)}, false},
		{"in the wrong order", []porcupine.Operation{add("a", 1, 2), add("b", 3, 4), show("b a ", 5, 6)}, false},
		{"seen, then not", []porcupine.Operation{lost("a", 1), show("a ", 2, 3), show("", 4, 5)}, false},
		{"not seen though acknowledged", []porcupine.Operation{add("a", 1, 2), show("", 3, 4), show("a ", 5, 6)}, false},
		{"two views", []porcupine.Operation{add("a", 1, 9), add("b", 1, 9), show("a ", 2, 3), show("b ", 4, 5), show("a b ", 10, 11)}, false},
		{"unknown and done", []porcupine.Operation{lost("a", 1), add("b", 2, 3), show("b a ", 4, 5)}, true},
		{"unknown and not done", []porcupine.Operation{lost("a", 1), add("b", 2, 3), show("b ", 4, 5)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&history{ops: tt.ops}).linearizable(); got != tt.want {
				t.Errorf("linearizable: %v, want %v", got, tt.want)
			}
		})
	}
}
