// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Who this library says it is.
const (
	libraryName    = "kairn-go"
	libraryVersion = "0.1.0"

	protocolMajor = 0
	protocolMinor = 2
)

// entitySpec returns the server's answer to discover.
func (s *Server) entitySpec() (*cloudstate.EntitySpec, error) {
	set, err := descriptorSet(s.services())
	if err != nil {
		return nil, err
	}
	spec := &cloudstate.EntitySpec{Proto: set, ServiceInfo: serviceInfo()}
	for _, k := range s.kinds {
		spec.Entities = append(spec.Entities, k.entity())
	}
	return spec, nil
}

func (k kind) entity() *cloudstate.Entity {
	e := &cloudstate.Entity{EntityType: k.entityType, ServiceName: k.service, PersistenceId: k.persistenceID}
	if k.passivation > 0 {
		e.PassivationStrategy = &cloudstate.EntityPassivationStrategy{
			Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
				Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: k.passivation.Milliseconds()},
			},
		}
	}
	return e
}

// serviceInfo says which program this is, for the proxy's log.
func serviceInfo() *cloudstate.ServiceInfo {
	info := &cloudstate.ServiceInfo{
		ServiceName:           filepath.Base(os.Args[0]),
		ServiceRuntime:        runtime.Version(),
		SupportLibraryName:    libraryName,
		SupportLibraryVersion: libraryVersion,
		ProtocolMajorVersion:  protocolMajor,
		ProtocolMinorVersion:  protocolMinor,
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.ServiceVersion = build.Main.Version
	}
	return info
}

// A discoveryService is the protocol's service by which a proxy asks what the
// function serves.
type discoveryService struct {
	cloudstate.UnimplementedEntityDiscoveryServer
	log  *slog.Logger
	spec *cloudstate.EntitySpec
}

func (d *discoveryService) Discover(_ context.Context, in *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	log := d.log.With("proxy", in.GetProxyName(), "version", in.GetProxyVersion())
	log.Info("a proxy asks for the entities")
	if in.GetProtocolMajorVersion() != protocolMajor || in.GetProtocolMinorVersion() != protocolMinor {
		log.Warn("the proxy speaks another version of the protocol",
			"major", in.GetProtocolMajorVersion(), "minor", in.GetProtocolMinorVersion())
	}
	for _, e := range d.spec.GetEntities() {
		if !slices.Contains(in.GetSupportedEntityTypes(), e.GetEntityType()) {
			log.Warn("the proxy doesn't support the type of an entity", "entity", e.GetServiceName(), "type", e.GetEntityType())
		}
	}
	return d.spec, nil
}

func (d *discoveryService) ReportError(_ context.Context, in *cloudstate.UserFunctionError) (*emptypb.Empty, error) {
	d.log.Error("the proxy reports an error in the function", "error", in.GetMessage())
	return &emptypb.Empty{}, nil
}
