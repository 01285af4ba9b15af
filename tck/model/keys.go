// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"

	tckpb "github.com/kairn-dev/kairn/proto/kairn/tck/v1"
	"github.com/kairn-dev/kairn/sdk"
)

// Keys returns the entity that shows what keys are made of requests.
func Keys() []sdk.Entity {
	return []sdk.Entity{
		sdk.ValueEntity[*keyed]{
			Service:       &tckpb.Keys_ServiceDesc,
			PersistenceID: "keys",
			New:           func(id string) *keyed { return &keyed{id: id} },
			State:         sdk.State((*keyed).ignore),
		},
	}
}

// keyed is an instance of it.
type keyed struct {
	tckpb.UnimplementedKeysServer
	id string
}

func (*keyed) ignore(*tckpb.Instance) {}

// answer is what every method returns.
func (k *keyed) answer() (*tckpb.Instance, error) { return &tckpb.Instance{Id: k.id}, nil }

func (k *keyed) Double(context.Context, *tckpb.DoubleKey) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Float(context.Context, *tckpb.FloatKey) (*tckpb.Instance, error)   { return k.answer() }
func (k *keyed) Int32(context.Context, *tckpb.Int32Key) (*tckpb.Instance, error)   { return k.answer() }
func (k *keyed) Int64(context.Context, *tckpb.Int64Key) (*tckpb.Instance, error)   { return k.answer() }
func (k *keyed) Uint32(context.Context, *tckpb.Uint32Key) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Uint64(context.Context, *tckpb.Uint64Key) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Sint32(context.Context, *tckpb.Sint32Key) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Sint64(context.Context, *tckpb.Sint64Key) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Fixed32(context.Context, *tckpb.Fixed32Key) (*tckpb.Instance, error) {
	return k.answer()
}
func (k *keyed) Fixed64(context.Context, *tckpb.Fixed64Key) (*tckpb.Instance, error) {
	return k.answer()
}
func (k *keyed) Sfixed32(context.Context, *tckpb.Sfixed32Key) (*tckpb.Instance, error) {
	return k.answer()
}
func (k *keyed) Sfixed64(context.Context, *tckpb.Sfixed64Key) (*tckpb.Instance, error) {
	return k.answer()
}
func (k *keyed) Bool(context.Context, *tckpb.BoolKey) (*tckpb.Instance, error)     { return k.answer() }
func (k *keyed) String(context.Context, *tckpb.StringKey) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Bytes(context.Context, *tckpb.BytesKey) (*tckpb.Instance, error)   { return k.answer() }
func (k *keyed) Enum(context.Context, *tckpb.EnumKey) (*tckpb.Instance, error)     { return k.answer() }
func (k *keyed) Joined(context.Context, *tckpb.JoinedKey) (*tckpb.Instance, error) { return k.answer() }
func (k *keyed) Legacy(context.Context, *tckpb.LegacyKey) (*tckpb.Instance, error) { return k.answer() }
