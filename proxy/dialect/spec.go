// SPDX-License-Identifier: Apache-2.0

package dialect

import (
	"fmt"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	kalix "github.com/kairn-dev/kairn/proto/kalix/protocol"
)

// A Spec is what a function says that it serves, in whichever dialect.
type Spec struct {
	Dialect  *Dialect
	Proto    []byte // a FileDescriptorSet
	Service  *cloudstate.ServiceInfo
	Entities []Entity
}

// An Entity is one service of a function, as the function declares it.
type Entity struct {
	Type          string // the dialect's name of its type
	Service       string
	PersistenceID string
	Passivation   int64    // in milliseconds; 0 if it doesn't say
	Headers       []string // that the function wants to see

	// Consistency is what a write of a replicated entity has to reach, as a
	// cloudstate.crdt.CrdtWriteConsistency; in dialects where replies say it,
	// this is 0.
	Consistency int32
}

// FromEntities reads a spec of Cloudstate's. Its dialect follows from the
// version that it names.
func FromEntities(s *cloudstate.EntitySpec) *Spec {
	spec := &Spec{Dialect: Cloudstate, Proto: s.GetProto(), Service: s.GetServiceInfo()}
	switch {
	case spec.Service == nil:
		spec.Service = new(cloudstate.ServiceInfo)
	case early(spec.Service):
		spec.Dialect = Early
	}
	for _, e := range s.GetEntities() {
		spec.Entities = append(spec.Entities, Entity{
			Type:          e.GetEntityType(),
			Service:       e.GetServiceName(),
			PersistenceID: e.GetPersistenceId(),
			Passivation:   e.GetPassivationStrategy().GetTimeout().GetTimeout(),
		})
	}
	return spec
}

// FromComponents reads a spec of the dialect d, which has components.
func FromComponents(d *Dialect, s *kalix.Spec) *Spec {
	i := s.GetServiceInfo()
	spec := &Spec{Dialect: d, Proto: s.GetProto(), Service: &cloudstate.ServiceInfo{
		ServiceName:           i.GetServiceName(),
		ServiceVersion:        i.GetServiceVersion(),
		ServiceRuntime:        i.GetServiceRuntime(),
		SupportLibraryName:    i.GetSupportLibraryName(),
		SupportLibraryVersion: i.GetSupportLibraryVersion(),
		ProtocolMajorVersion:  i.GetProtocolMajorVersion(),
		ProtocolMinorVersion:  i.GetProtocolMinorVersion(),
	}}
	for _, c := range s.GetComponents() {
		e := c.GetEntity()
		headers := e.GetForwardHeaders()
		if e == nil {
			headers = c.GetComponent().GetForwardHeaders()
		}
		spec.Entities = append(spec.Entities, Entity{
			Type:          c.GetComponentType(),
			Service:       c.GetServiceName(),
			PersistenceID: e.GetEntityType(),
			Passivation:   e.GetPassivationStrategy().GetTimeout().GetTimeout(),
			Headers:       headers,
			Consistency:   int32(e.GetReplicatedEntity().GetWriteConsistency()),
		})
	}
	return spec
}

// early reports whether a function is of a generation before 0.2, as far as it
// says: the libraries of that time name themselves, and no version.
func early(i *cloudstate.ServiceInfo) bool {
	if i.GetProtocolMajorVersion() != 0 {
		return false
	}
	return i.GetProtocolMinorVersion() == 1 || i.GetProtocolMinorVersion() == 0 && i.GetSupportLibraryName() != ""
}

// CheckVersion says whether a function that speaks d in the version that it
// names can be served. With any, every one can. The warning may be there without
// an error.
func (d *Dialect) CheckVersion(i *cloudstate.ServiceInfo, any bool) (warning string, err error) {
	major, minor := i.GetProtocolMajorVersion(), i.GetProtocolMinorVersion()
	switch {
	case d.knows(major, minor):
		return "", nil
	case major == 0 && minor == 0 && !d.Components:
		return "user function does not say which protocol version it speaks", nil
	case d == Early:
		return "user function speaks an early protocol version", nil
	case any:
		return "user function speaks another protocol version", nil
	}
	return "", fmt.Errorf("protocol version %d.%d is not supported; supported is %s", major, minor, d.versions())
}

// knows reports whether d is spoken in that version.
func (d *Dialect) knows(major, minor int32) bool {
	switch d {
	case Kalix:
		return major == 1 && minor >= 0
	case AkkaServerless:
		return major == 0 && minor >= d.Minor
	default:
		return d == Cloudstate && major == d.Major && minor == d.Minor
	}
}

func (d *Dialect) versions() string {
	switch d {
	case Kalix:
		return "1.0 and later minor versions"
	case AkkaServerless:
		return "0.7 and later minor versions"
	default:
		return "0.2"
	}
}
