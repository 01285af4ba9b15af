// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A Server serves the entities of a function to a proxy. Make it with
// [NewServer].
type Server struct {
	log          *slog.Logger
	spec         *cloudstate.EntitySpec
	kinds        []kind
	eventSourced map[string]*eventSourced // by service
	values       map[string]*valueEntity  // by service
	crdts        map[string]*crdt         // by service
	actions      map[string]*action       // by service
}

// A kind is what discovery tells of an entity.
type kind struct {
	entityType    string
	service       string
	persistenceID string // none if there is no state
	passivation   time.Duration
}

// NewServer returns a server of the entities. Its error names everything that
// is wrong with them. If log is nil, slog's default is used.
func NewServer(log *slog.Logger, entities ...Entity) (*Server, error) {
	if log == nil {
		log = slog.Default()
	}
	s := &Server{log: log, eventSourced: map[string]*eventSourced{}, values: map[string]*valueEntity{}, crdts: map[string]*crdt{}, actions: map[string]*action{}}
	if len(entities) == 0 {
		return nil, errors.New("a function needs an entity")
	}
	var errs []error
	for i, e := range entities {
		if e == nil {
			errs = append(errs, fmt.Errorf("entity %d is nil", i))
			continue
		}
		errs = append(errs, e.register(s)...)
	}
	errs = append(errs, s.checkKinds()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var err error
	s.spec, err = s.entitySpec()
	return s, err
}

// add adds a kind, and says that the errors are its.
func (s *Server) add(errs []error, k kind) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("entity %s: %w", k.service, err)
	}
	s.kinds = append(s.kinds, k)
	return errs
}

// checkKinds says which entities can't be told apart.
func (s *Server) checkKinds() []error {
	var errs []error
	services, ids := map[string]bool{}, map[string]string{}
	for _, k := range s.kinds {
		if services[k.service] {
			errs = append(errs, fmt.Errorf("entity %s is there twice", k.service))
		}
		services[k.service] = true
		if k.persistenceID == "" {
			continue
		}
		if other, ok := ids[k.persistenceID]; ok && other != k.service {
			errs = append(errs, fmt.Errorf("entities %s and %s have the same PersistenceID %q", other, k.service, k.persistenceID))
		}
		ids[k.persistenceID] = k.service
	}
	return errs
}

// Register adds the protocol's services to a gRPC server of the caller, which
// is then responsible for running and stopping it.
func (s *Server) Register(to grpc.ServiceRegistrar) { s.register(to, newGate()) }

func (s *Server) register(to grpc.ServiceRegistrar, g *gate) {
	cloudstate.RegisterEntityDiscoveryServer(to, &discoveryService{log: s.log, spec: s.spec})
	cloudstate.RegisterEventSourcedServer(to, &eventSourcedService{log: s.log, entities: s.eventSourced, gate: g})
	cloudstate.RegisterValueEntityServer(to, &valueService{log: s.log, entities: s.values, gate: g})
	cloudstate.RegisterCrdtServer(to, &crdtService{log: s.log, entities: s.crdts, gate: g})
	cloudstate.RegisterActionProtocolServer(to, &actionService{log: s.log, actions: s.actions, gate: g})
}

// Serve serves entities on HOST (127.0.0.1 if not set) and PORT (8080) until
// ctx ends, as [Server.Serve] does. It logs to slog's default.
func Serve(ctx context.Context, entities ...Entity) error {
	s, err := NewServer(nil, entities...)
	if err != nil {
		return err
	}
	address, err := addressFrom(os.Getenv) //nolint:forbidigo // the protocol has a function listen where these say
	if err != nil {
		return err
	}
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the proxy: %w", err)
	}
	return s.Serve(ctx, lis)
}

func addressFrom(getenv func(string) string) (string, error) {
	host, port := getenv("HOST"), getenv("PORT")
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "8080"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("PORT=%q is not a port number", port)
	}
	return net.JoinHostPort(host, port), nil
}

const (
	// maxMessage is above the 12 MiB that proxies take from a function, so
	// that what was stored can always be replayed.
	maxMessage = 16 << 20

	// commandLimit is how long a stopping server waits for the commands in
	// hand, and settleLimit for their answers to be on the way and for the
	// proxy to end its streams.
	commandLimit = 10 * time.Second
	settleLimit  = time.Second
)

// Serve serves the entities on lis until ctx ends. Then it takes no further
// commands, answers those that it has, streamed calls of actions among them, and
// returns nil. What is not done after ten seconds is cut off, and an error. It
// closes lis.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	g := newGate()
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.WaitForHandlers(true),
		// The only client is the proxy of the same pod: it may ping as it
		// likes, while grpc-go's default would hang up on it.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	s.register(server, g)
	s.log.Info("serving", "address", lis.Addr().String(), "entities", s.services())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(lis) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %v: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	if err := stop(server, g); err != nil {
		return err
	}
	s.log.Info("stopped")
	return nil
}

// stop ends server when it has answered what it took. After an error, commands
// of the function that don't end with their context still run.
func stop(server *grpc.Server, g *gate) error {
	var err error
	if !within(commandLimit, g.close) {
		err = fmt.Errorf("stop: commands still run after %v", commandLimit)
	}
	if !within(settleLimit, server.GracefulStop) && !within(settleLimit, server.Stop) {
		err = errors.Join(err, errors.New("stop: commands go on although their streams have ended"))
	}
	return err
}

// within reports whether f, which runs on if it isn't, was done in time.
func within(limit time.Duration, f func()) bool {
	done := make(chan struct{}) // closed when f has returned
	go func() { defer close(done); f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func (s *Server) services() []string {
	var names []string
	for _, k := range s.kinds {
		names = append(names, k.service)
	}
	return names
}
