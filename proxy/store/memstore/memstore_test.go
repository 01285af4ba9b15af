// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return New() })
}

func TestStoreWithFaults(t *testing.T) {
	storetest.RunWithFaults(t, func(*testing.T) storetest.Store { return New() })
}

func TestPlacement(t *testing.T) {
	storetest.Placement(t, func(*testing.T) storetest.Shared { return New() })
}

func TestMembersDoNotEvictEachOther(t *testing.T) {
	s := New()
	var members []entity.Member
	for range 3 {
		m, err := s.Join(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	s.Evict(members[1])
	for i, m := range members {
		if _, ok, err := s.Position(t.Context(), m, 0); err != nil || ok != (i != 1) {
			t.Errorf("Position of member %d of 3: ok %v, %v", i+1, ok, err)
		}
	}
}

func BenchmarkCommit(b *testing.B) { storetest.BenchmarkCommit(b, New()) }
func BenchmarkReplay(b *testing.B) { storetest.BenchmarkReplay(b, New()) }
