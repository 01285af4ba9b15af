// SPDX-License-Identifier: Apache-2.0

// Package plugin has the Go code of .proto files made by the generators that are
// pinned in go.mod, without protoc.
package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins are the generators.
var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

// Generate returns the Go code of compiled files, by its paths. The parameter is
// one of the generators, which says how these are made.
func Generate(ctx context.Context, files linker.Files, parameter string) (map[string]string, error) {
	req := &pluginpb.CodeGeneratorRequest{Parameter: proto.String(parameter), ProtoFile: withDependencies(files)}
	for _, f := range files {
		req.FileToGenerate = append(req.FileToGenerate, f.Path())
	}
	all := map[string]string{}
	for _, p := range plugins {
		resp, err := call(ctx, p, req)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		for _, f := range resp.File {
			all[f.GetName()] = f.GetContent()
		}
	}
	return all, nil
}

// withDependencies returns files and all that they import, imports first.
func withDependencies(files linker.Files) []*descriptorpb.FileDescriptorProto {
	var all []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		all = append(all, protoutil.ProtoFromFileDescriptor(fd))
	}
	for _, f := range files {
		add(f)
	}
	return all
}

// call gives req to a plugin and returns its answer.
func call(ctx context.Context, plugin string, req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	resp := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(out, resp); err != nil {
		return nil, err
	}
	if resp.Error != nil {
		return nil, errors.New(resp.GetError())
	}
	return resp, nil
}
