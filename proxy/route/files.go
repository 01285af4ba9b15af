// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"path"
	"slices"
	"strings"

	_ "google.golang.org/genproto/googleapis/api/annotations" // google/api/*.proto
	_ "google.golang.org/genproto/googleapis/api/httpbody"    // google/api/httpbody.proto
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/anypb" // google/protobuf/*.proto
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// A source is a file on its way into the registry.
type source struct {
	proto *descriptorpb.FileDescriptorProto
	deps  []string // names of the files that it imports
	state state
}

// A state says how far a source has come.
type state int

const (
	untouched state = iota
	open            // being built, as are all that lead to it
	built
	broken
)

// A loader makes descriptors of the files of a set.
type loader struct {
	sources  map[string]*source
	order    []string        // names of sources, as they came
	imported map[string]bool // names that somebody imports
	missing  map[string][]string
	registry *protoregistry.Files
	errs     []error
}

// load builds the files of a serialized FileDescriptorSet.
func load(raw []byte) (*protoregistry.Files, []error) {
	l := &loader{
		sources:  make(map[string]*source),
		imported: make(map[string]bool),
		missing:  make(map[string][]string),
		registry: new(protoregistry.Files),
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(raw, set); err != nil {
		l.fail("descriptor set can't be decoded: %v", err)
		return l.registry, l.errs
	}
	for i, fd := range set.GetFile() {
		l.add(i, fd)
	}
	for i := 0; i < len(l.order); i++ { // grows while files are filled in
		l.link(l.order[i])
	}
	// From the files that nobody imports, so that errors name whole chains;
	// what is left then are circles.
	for _, want := range []bool{false, true} {
		for _, name := range l.order {
			if l.imported[name] == want {
				l.build(name, nil)
			}
		}
	}
	return l.registry, l.errs
}

func (l *loader) fail(format string, args ...any) {
	l.errs = append(l.errs, oneLine(fmt.Sprintf(format, args...)))
}

// add takes the i-th file of the set.
func (l *loader) add(i int, fd *descriptorpb.FileDescriptorProto) {
	name := fd.GetName()
	if name == "" {
		l.fail("file %d of the descriptor set has no name", i+1)
		return
	}
	info := comments(fd.SourceCodeInfo)
	fd.SourceCodeInfo = nil
	if s := l.sources[name]; s != nil {
		s.proto.SourceCodeInfo, info = nil, s.proto.SourceCodeInfo // which may differ
		same := proto.Equal(s.proto, fd)
		s.proto.SourceCodeInfo = info
		if !same {
			l.fail("file %s is in the descriptor set twice, with different content", name)
		}
		return
	}
	fd.SourceCodeInfo = info
	l.put(name, fd)
}

// comments returns what has a comment of the places of a file: that is what
// people read, and little of the whole.
func comments(info *descriptorpb.SourceCodeInfo) *descriptorpb.SourceCodeInfo {
	all := info.GetLocation()
	kept := slices.DeleteFunc(slices.Clone(all), func(at *descriptorpb.SourceCodeInfo_Location) bool {
		return at.LeadingComments == nil && at.TrailingComments == nil && len(at.LeadingDetachedComments) == 0
	})
	if len(kept) == 0 {
		return nil
	}
	return &descriptorpb.SourceCodeInfo{Location: kept}
}

func (l *loader) put(name string, fd *descriptorpb.FileDescriptorProto) {
	l.sources[name] = &source{proto: fd}
	l.order = append(l.order, name)
}

// link finds the files that the file name imports, and makes it import them by
// the names that they have.
func (l *loader) link(name string) {
	s := l.sources[name]
	for i, imp := range s.proto.Dependency {
		found, ok := l.find(name, imp)
		if !ok {
			l.missing[name] = append(l.missing[name], imp)
			continue
		}
		s.proto.Dependency[i] = found
		s.deps = append(s.deps, found)
		l.imported[found] = true
	}
}

// find returns the name of the file that the file from imports as imp.
func (l *loader) find(from, imp string) (name string, ok bool) {
	if l.sources[imp] != nil {
		return imp, true
	}
	known := linkedIn(imp)
	best, tie := 0, false
	for _, candidate := range l.order {
		n := commonTail(candidate, imp)
		if n == 0 || candidate == from {
			continue
		}
		if known != nil && l.sources[candidate].proto.GetPackage() != string(known.Package()) {
			continue // somebody else's any.proto
		}
		switch {
		case n > best:
			name, best, tie = candidate, n, false
		case n == best:
			tie = true
		}
	}
	if best > 0 && !tie {
		return name, true
	}
	if known == nil {
		return "", false
	}
	l.put(imp, protodesc.ToFileDescriptorProto(known))
	return imp, true
}

// commonTail returns how many path elements the shorter of a and b has, if the
// longer ends with it, and else 0.
func commonTail(a, b string) int {
	if len(a) > len(b) {
		a, b = b, a
	}
	if !strings.HasSuffix(b, "/"+a) {
		return 0
	}
	return strings.Count(a, "/") + 1
}

// linkedIn returns this program's own copy of a file that functions may leave
// out of their set, or nil.
func linkedIn(name string) protoreflect.FileDescriptor {
	if !slices.Contains([]string{"google/protobuf", "google/api", "cloudstate"}, path.Dir(name)) {
		return nil
	}
	fd, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return nil
	}
	return fd
}

// build brings the file name and all that it imports into the registry, and
// reports whether it could. The files in chain led to it.
func (l *loader) build(name string, chain []string) bool {
	s := l.sources[name]
	chain = append(chain, name)
	switch s.state {
	case built:
		return true
	case broken:
		return false
	case open:
		l.fail("files import each other in a circle: %s", arrows(chain[slices.Index(chain, name):]))
		return false
	}
	s.state = open
	ok := len(l.missing[name]) == 0
	for _, imp := range l.missing[name] {
		l.fail("file %s imports %s, which is not in the descriptor set (%s)", name, imp, arrows(append(chain, imp)))
	}
	for _, dep := range s.deps {
		ok = l.build(dep, chain) && ok
	}
	ok = ok && l.register(name)
	s.state = broken
	if ok {
		s.state = built
	}
	return ok
}

func (l *loader) register(name string) bool {
	fd, err := protodesc.NewFile(l.sources[name].proto, l.registry)
	if err == nil {
		err = l.registry.RegisterFile(fd)
	}
	if err != nil {
		l.fail("file %s: %v", name, err)
	}
	return err == nil
}

func arrows(names []string) string { return strings.Join(names, " -> ") }
