// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"fmt"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/route"
)

// The version of the protocol that this proxy speaks.
const (
	major = 0
	minor = 2
)

// check makes a catalogue of what the function answered. The warning is about
// its version, and may be there without an error.
func (f *follower) check(spec *cloudstate.EntitySpec) (c *route.Catalogue, warning string, err error) {
	warning, err = checkVersion(spec.GetServiceInfo(), f.AnyVersion)
	if err != nil {
		return nil, "", err
	}
	c, err = route.Parse(spec, f.Supported)
	if err == nil && f.Headers != nil {
		c.PassHeaders(f.Headers)
	}
	return c, warning, err
}

// checkVersion says whether a function that speaks the protocol as info says
// can be served.
func checkVersion(info *cloudstate.ServiceInfo, any bool) (warning string, err error) {
	switch has := [2]int32{info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()}; {
	case has == [2]int32{major, minor}:
		return "", nil
	case has == [2]int32{}:
		return "user function does not say which protocol version it speaks", nil
	case any:
		return "user function speaks another protocol version", nil
	default:
		return "", fmt.Errorf("protocol version %d.%d is not supported; supported is %d.%d", has[0], has[1], major, minor)
	}
}

// problems takes a joined error apart.
func problems(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts = append(texts, e.Error())
	}
	return texts
}
