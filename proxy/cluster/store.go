// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Store is where the members of a service find each other. The suite in package
// storetest checks that a store keeps the promises made here. All methods may be
// called at once.
//
// An error that doesn't wrap [entity.ErrNoMember] means that it is not known
// whether the call had an effect, or will have one yet.
type Store interface {
	// Renew makes the lease of a member as new, at the moment at which the store
	// takes it, which is between call and answer. It waits for no commit. If
	// there is no such member it changes nothing and returns an error that wraps
	// [entity.ErrNoMember].
	Renew(ctx context.Context, m entity.Member) error

	// Look returns the placement, and the lease of a neighbour if there is such
	// a member, both as they are at one moment between call and answer. The
	// placement comes without its table if known is its incarnation and version.
	Look(ctx context.Context, known entity.Placement, neighbour entity.Member) (entity.Sight, error)

	// Transact gives decide the placement and all leases, and makes the
	// transition that it returns, all of it or nothing, unless anything of these
	// has changed meanwhile: then decide is called again. It makes none if decide
	// returns false. It returns the placement as it is after that. Decide must not
	// call the store. A member that is gone never has a lane or a lease again.
	Transact(ctx context.Context, decide func(entity.Placement, []entity.Lease) (entity.Transition, bool)) (entity.Placement, error)
}

// Transact makes a transition. It returns the table after it and, for a join,
// which member the process is. If the error wraps [shard.ErrLayout], nothing was
// or will be changed.
func Transact(ctx context.Context, s Store, op *member.Op) (*shard.Table, entity.Member, error) {
	var (
		table *shard.Table
		id    entity.Member
		wrong error
	)
	_, err := s.Transact(ctx, func(p entity.Placement, leases []entity.Lease) (tr entity.Transition, changed bool) {
		table, tr, wrong = decide(op, p, leases)
		id = max(tr.Joined, tr.Renewed)
		return tr, wrong == nil && (tr.Placement.Version != p.Version || tr.Renewed != 0)
	})
	switch {
	case wrong != nil:
		return nil, 0, fmt.Errorf("placement: %w", wrong)
	case err != nil:
		return nil, 0, fmt.Errorf("placement: %w", err)
	}
	return table, id, nil
}

// decide is [member.Op.Decide] on what is stored.
func decide(op *member.Op, p entity.Placement, leases []entity.Lease) (*shard.Table, entity.Transition, error) {
	before, err := shard.Decode(p)
	if err != nil {
		return nil, entity.Transition{}, err
	}
	table, tr, err := op.Decide(before, leases)
	if err != nil {
		return nil, tr, err
	}
	tr.Placement = p
	if table != before {
		tr.Placement, err = table.Encode()
	}
	return table, tr, err
}
