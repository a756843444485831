package wire

//go:generate sh -c "PATH=$PATH:$(go env GOPATH)/bin protoc --go_out=. --go_opt=module=github.com/codastress/codastress/system/wire --go-grpc_out=. --go-grpc_opt=module=github.com/codastress/codastress/system/wire vice.proto peer.proto dump.proto control.proto"
