// Package agentpb is the generated code of the protocol between the harness and a node's agent.
package agentpb

//go:generate sh -c "PATH=$PATH:$(go env GOPATH)/bin protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative agent.proto"
