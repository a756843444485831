package containers

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// The image's content.
const (
	executable  = "/codastress"
	volume      = "/var/codastress" // a volume is mounted here
	stateFolder = volume + "/state"
	logsFolder  = volume + "/logs"
	codaFolder  = "/coda"
)

// repository is the name of our images. With a registry's name, which nothing is ever pulled from, the library does not put another before it.
const repository = "localhost/codastress"

// The labels of images.
const (
	imageLabel  = "codastress.image"  // the digest of the executable
	loadedLabel = "codastress.loaded" // when it was loaded, in seconds since 1970
)

// keptTime is how long an image of an executable is kept that is not used.
const keptTime = 24 * time.Hour

// LoadImage makes sure that the engine has the image of an executable, and returns its name. It pulls nothing. Images of other executables that were
// loaded more than a day ago are removed, where no container uses them.
func LoadImage(ctx context.Context, binary string) (string, error) {
	e, err := connect(ctx)
	if err != nil {
		return "", err
	}
	defer e.close()
	return e.loadImage(ctx, binary)
}

func (e *engine) loadImage(ctx context.Context, binary string) (string, error) {
	digest, err := digestOf(binary)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", binary, err)
	}
	name := repository + ":" + digest[:16]
	_, err = e.api.ImageInspect(ctx, name)
	if err == nil {
		return name, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("looking for the image %s: %w", name, err)
	}
	if err := checkStatic(binary); err != nil {
		return "", err
	}
	if err := e.importImage(ctx, binary, name, digest); err != nil {
		return "", fmt.Errorf("loading the image %s: %w", name, err)
	}
	return name, e.removeOldImages(ctx, name)
}

func digestOf(binary string) (string, error) {
	file, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// checkStatic refuses an executable that needs libraries, which the image does not have.
func checkStatic(binary string) error {
	file, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("reading the executable %s: %w", binary, err)
	}
	defer file.Close() //nolint:errcheck // only read
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs libraries that containers do not have: build it with CGO_ENABLED=0, or use --runtime processes", binary)
		}
	}
	return nil
}

// importImage streams the image's only layer to the engine.
func (e *engine) importImage(ctx context.Context, binary, name, digest string) error {
	reader, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeLayer(writer, binary)
		written <- errors.Join(err, writer.CloseWithError(err))
	}()
	reply, err := e.api.ImageImport(ctx, client.ImageImportSource{Source: reader, SourceName: "-"}, name, client.ImageImportOptions{
		Changes: []string{
			fmt.Sprintf("ENTRYPOINT [%q]", executable),
			fmt.Sprintf("LABEL %s=%s %s=%d", imageLabel, digest, loadedLabel, time.Now().Unix()),
		},
	})
	if err == nil {
		err = errors.Join(progress(reply), reply.Close())
	}
	_ = reader.Close() // ends the writer where the engine did not read everything
	if writing := <-written; !errors.Is(writing, io.ErrClosedPipe) {
		err = errors.Join(err, writing)
	}
	return err
}

// progress reads what the engine says while it works; an error is in it, not in the status.
func progress(from io.Reader) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var said struct{ Error string }
		if err := json.Unmarshal(lines.Bytes(), &said); err == nil && said.Error != "" {
			return errors.New(said.Error)
		}
	}
	return lines.Err()
}

// writeLayer writes a root file system: the executable, and folders that a program expects.
func writeLayer(to io.Writer, binary string) error {
	file, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	layer := tar.NewWriter(to)
	for _, folder := range []string{"/tmp", "/run", "/var", volume, stateFolder, logsFolder, codaFolder} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(folder, "/") + "/", Mode: 0o755}
		if err := layer.WriteHeader(header); err != nil {
			return err
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(executable, "/"), Mode: 0o755, Size: info.Size()}
	if err := layer.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(layer, file); err != nil {
		return err
	}
	return layer.Close()
}

// removeOldImages removes our images that were loaded long ago, or that lost their name to another of the same executable. One that a container uses
// stays.
func (e *engine) removeOldImages(ctx context.Context, but string) error {
	list, err := e.api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("label", imageLabel)})
	if err != nil {
		return fmt.Errorf("looking for old images: %w", err)
	}
	for _, one := range list.Items {
		if len(one.RepoTags) == 0 || one.RepoTags[0] == "<none>:<none>" {
			_, _ = e.api.ImageRemove(ctx, one.ID, client.ImageRemoveOptions{}) // as below
			continue
		}
		loaded, err := strconv.ParseInt(one.Labels[loadedLabel], 10, 64)
		if err != nil || time.Since(time.Unix(loaded, 0)) < keptTime {
			continue
		}
		for _, name := range one.RepoTags {
			if name != but {
				_, _ = e.api.ImageRemove(ctx, name, client.ImageRemoveOptions{}) // it is in use, or somebody else removes it
			}
		}
	}
	return nil
}
