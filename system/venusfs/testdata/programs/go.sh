# Go builds this repository, with its sources and its cache here.
# needs: go
# differs: .
mkdir sources cache temporary
(cd "$REPOSITORY" && cp -a go.mod go.sum checks cmd faults harness scripts system workloads "$OLDPWD/sources")
export GOCACHE="$PWD/cache" GOTMPDIR="$PWD/temporary" CGO_ENABLED=0 GOFLAGS=-buildvcs=false
cd sources
go build -trimpath -o ../built "$STEP"
go build -trimpath -o ../again "$STEP"
cmp ../built ../again
if [ -x ../built ]; then sha256sum < ../built; fi
go list -f '{{.Stale}}' "$STEP"
go clean -cache
ls "$GOTMPDIR"
