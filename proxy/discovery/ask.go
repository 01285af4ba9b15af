// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	kalix "github.com/kairn-dev/kairn/proto/kalix/protocol"
	"github.com/kairn-dev/kairn/proxy/dialect"
)

const proxyName = "kairn-proxy"

// discover asks the function what it serves, in one dialect after the other
// until it understands. The error is that of the first if it understands none.
func (f *follower) discover(conn context.Context) (*dialect.Spec, error) {
	var first error
	for _, d := range dialect.Dialects {
		spec, err := f.discoverIn(conn, d)
		if status.Code(err) != codes.Unimplemented {
			return spec, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (f *follower) discoverIn(conn context.Context, d *dialect.Dialect) (*dialect.Spec, error) {
	ctx, cancel := context.WithTimeout(conn, f.Timeout)
	defer cancel()
	if d.Components {
		return f.components(ctx, d)
	}
	spec := new(cloudstate.EntitySpec)
	err := f.Conn.Invoke(ctx, d.Methods.Discover, &cloudstate.ProxyInfo{
		ProtocolMajorVersion: d.Major,
		ProtocolMinorVersion: d.Minor,
		ProxyName:            proxyName,
		ProxyVersion:         f.ProxyVersion,
		SupportedEntityTypes: f.Supported,
	}, spec)
	if err != nil {
		return nil, err
	}
	return dialect.FromEntities(spec), nil
}

// components asks in a dialect with components. A probe goes before: a function
// whose version can't be served is not discovered, after which it would wait for
// the proxy's end before its own.
func (f *follower) components(ctx context.Context, d *dialect.Dialect) (*dialect.Spec, error) {
	info := &kalix.ProxyInfo{ProxyName: proxyName, ProxyVersion: f.ProxyVersion}
	spec := new(kalix.Spec)
	if err := f.Conn.Invoke(ctx, d.Methods.Discover, info, spec); err != nil {
		return nil, err
	}
	probed := dialect.FromComponents(d, spec)
	if _, err := d.CheckVersion(probed.Service, f.AnyVersion); err != nil {
		return probed, nil //nolint:nilerr // whoever judges the answer finds the same
	}
	info.ProtocolMajorVersion, info.ProtocolMinorVersion = d.Major, d.Minor
	info.SupportedEntityTypes = d.Names(f.Supported)
	if f.ProxyPort > 0 {
		info.ProxyHostname, info.InternalProxyHostname = f.proxyHost(), f.proxyHost()
		info.ProxyPort = int32(f.ProxyPort)
	}
	spec.Reset()
	if err := f.Conn.Invoke(ctx, d.Methods.Discover, info, spec); err != nil {
		return nil, err
	}
	return dialect.FromComponents(d, spec), nil
}

// proxyHost is where the proxy is for a function beside it.
func (*follower) proxyHost() string { return "127.0.0.1" }

// report tells the function that it does something wrong. The message is the
// same in all dialects.
func report(ctx context.Context, conn grpc.ClientConnInterface, d *dialect.Dialect, text string) error {
	return conn.Invoke(ctx, d.Methods.ReportError, &cloudstate.UserFunctionError{Message: text}, new(emptypb.Empty))
}
