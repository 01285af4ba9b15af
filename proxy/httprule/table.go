// SPDX-License-Identifier: Apache-2.0

package httprule

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Table has all bindings of a function. It never changes.
type Table struct {
	root     node
	bindings []*Binding
}

// A node is where a path has come to after some of its segments.
type node struct {
	literals map[string]*node
	one      *node // after *
	here     ends  // the templates that end here
	rest     ends  // those that end with ** from here
}

// An ends is the bindings whose templates are the same: by what follows the
// colon, then by verb.
type ends map[string]map[string]*Binding

// Compile makes a table of methods. The problems say what is wrong with the
// rules that are not in it.
func Compile(methods iter.Seq[protoreflect.MethodDescriptor]) (*Table, []*Problem) {
	t := new(Table)
	var problems []*Problem
	var ruled []*Binding
	for m := range methods {
		found, wrong := bindings(m)
		problems = append(problems, wrong...)
		for _, b := range found {
			if b.Default {
				t.add(b)
			} else {
				ruled = append(ruled, b)
			}
		}
	}
	for _, b := range ruled {
		if other := t.add(b); other != nil {
			problems = append(problems, collision(b, other))
		}
	}
	return t, problems
}

func collision(b, other *Binding) *Problem {
	p := &Problem{Method: b.Method.FullName(), Rule: b.String()}
	of := other.Method
	p.Text = fmt.Sprintf("it takes the same requests as %s of method %s/%s, in whose place it is used",
		other, of.Parent().FullName(), of.Name())
	if other.Default {
		p.Text = fmt.Sprintf("it takes the requests of method %s/%s, which has no rule and is served by %s without it",
			of.Parent().FullName(), of.Name(), other)
	}
	return p
}

// String returns the verb and the template.
func (b *Binding) String() string { return fmt.Sprintf("%s %q", b.Verb, b.Template.Text) }

// Bindings returns the bindings that serve: the default ones first, each kind
// in the order of the methods.
func (t *Table) Bindings() []*Binding { return slices.Clone(t.bindings) }

// add adds b and returns the binding that it takes the place of.
func (t *Table) add(b *Binding) (other *Binding) {
	n := &t.root
	to := &n.here
	for _, s := range b.Template.Segments {
		switch s.Kind {
		case Rest:
			to = &n.rest
			continue
		case One:
			if n.one == nil {
				n.one = new(node)
			}
			n = n.one
		case Literal:
			next := n.literals[s.Text]
			if next == nil {
				next = new(node)
				if n.literals == nil {
					n.literals = make(map[string]*node)
				}
				n.literals[s.Text] = next
			}
			n = next
		}
		to = &n.here
	}
	if *to == nil {
		*to = make(ends)
	}
	verbs := (*to)[b.Template.Verb]
	if verbs == nil {
		verbs = make(map[string]*Binding)
		(*to)[b.Template.Verb] = verbs
	}
	other = verbs[b.Verb]
	verbs[b.Verb] = b
	if other != nil {
		t.bindings = slices.DeleteFunc(t.bindings, func(x *Binding) bool { return x == other })
	}
	t.bindings = append(t.bindings, b)
	return other
}

// Match returns the binding for a request and the texts of the variables of its
// template, decoded. If there is none, allowed are the verbs for which there
// would be one. The path is as the client has sent it, without query, still
// encoded.
func (t *Table) Match(verb, path string) (b *Binding, values []string, allowed []string) {
	var others map[string]bool
	b, values = t.Find(path, func(verbs map[string]*Binding) *Binding {
		found := verbs[verb]
		if found == nil && verb == "HEAD" {
			found = verbs[get]
		}
		if found == nil {
			found = verbs["*"]
		}
		if found == nil {
			if others == nil {
				others = make(map[string]bool)
			}
			for v := range verbs {
				others[v] = true
			}
		}
		return found
	})
	if b != nil {
		return b, values, nil
	}
	return nil, nil, slices.Sorted(maps.Keys(others))
}

// Find returns the binding that pick takes among those of a path, and the texts
// of the variables of its template. It gives pick the bindings of one template
// after the other, each by verb, until it takes one.
func (t *Table) Find(path string, pick func(map[string]*Binding) *Binding) (*Binding, []string) {
	s := search{pick: pick}
	var few [16]string // most paths are shorter, and cost no allocation
	encoded, ok := split(few[:0], path)
	if !ok {
		return nil, nil
	}
	if last := len(encoded) - 1; last >= 0 {
		if head, verb, ok := cutVerb(encoded[last]); ok {
			whole := encoded[last]
			encoded[last] = head
			if b := s.at(&t.root, encoded, verb); b != nil {
				return b, b.values(encoded)
			}
			encoded[last] = whole
		}
	}
	if b := s.at(&t.root, encoded, ""); b != nil {
		return b, b.values(encoded)
	}
	return nil, nil
}

// A search is one look for a binding.
type search struct {
	pick func(map[string]*Binding) *Binding
}

// at returns the binding for the segments that are left at n.
func (s *search) at(n *node, left []string, verb string) *Binding {
	if len(left) == 0 {
		if verbs := n.here[verb]; verbs != nil {
			if b := s.pick(verbs); b != nil {
				return b
			}
		}
	} else {
		if next := n.literals[decode(left[0])]; next != nil {
			if b := s.at(next, left[1:], verb); b != nil {
				return b
			}
		}
		if n.one != nil {
			if b := s.at(n.one, left[1:], verb); b != nil {
				return b
			}
		}
	}
	if verbs := n.rest[verb]; verbs != nil {
		return s.pick(verbs)
	}
	return nil
}
