package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/codastress/codastress/system/wire/controlpb"
)

// standardStream stands for the standard output or input where a file is named.
const standardStream = "-"

func dumpCommand(tool *controlSocket) *cobra.Command {
	return &cobra.Command{
		Use: "dump VOLUME FILE", Short: "write a volume as it is at this moment to a file, or to the standard output for -", Args: exactArguments(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := tool.askCodasrv(cmd.Context(), func(ctx context.Context, codasrv controlpb.CodasrvControlClient) error {
				if args[1] == standardStream {
					return dumpVolume(ctx, codasrv, args[0], cmd.OutOrStdout())
				}
				return dumpToFile(ctx, codasrv, args[0], args[1])
			})
			if err != nil {
				return fmt.Errorf("volutil dump: %w", err)
			}
			return nil
		},
	}
}

// dumpToFile leaves no file that is not whole, and overwrites none.
func dumpToFile(ctx context.Context, codasrv controlpb.CodasrvControlClient, volume, name string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(dumpVolume(ctx, codasrv, volume, file), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

func dumpVolume(ctx context.Context, codasrv controlpb.CodasrvControlClient, volume string, to io.Writer) error {
	stream, err := codasrv.Dump(ctx, &controlpb.DumpRequest{Volume: volume})
	if err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = to.Write(part.Data)
		}
		if err != nil {
			return err
		}
	}
}

func restoreCommand(tool *controlSocket) *cobra.Command {
	return &cobra.Command{
		Use: "restore VOLUME FILE", Short: "make a volume of a dump in a file, or from the standard input for -", Args: exactArguments(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from := cmd.InOrStdin()
			if args[1] != standardStream {
				file, err := os.Open(args[1])
				if err != nil {
					return fmt.Errorf("volutil restore: %w", err)
				}
				defer file.Close() //nolint:errcheck // it was only read
				from = file
			}
			err := tool.askCodasrv(cmd.Context(), func(ctx context.Context, codasrv controlpb.CodasrvControlClient) error {
				done, err := restoreVolume(ctx, codasrv, args[0], from)
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d objects, %d bytes\n", done.Objects, done.Bytes)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("volutil restore: %w", err)
			}
			return nil
		},
	}
}

func restoreVolume(ctx context.Context, codasrv controlpb.CodasrvControlClient, volume string, from io.Reader) (*controlpb.RestoreReply, error) {
	stream, err := codasrv.Restore(ctx)
	if err != nil {
		return nil, err
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if sendErr := stream.Send(&controlpb.RestoreRequest{Volume: volume, Data: buffer[:n]}); errors.Is(sendErr, io.EOF) {
				return stream.CloseAndRecv() // the server has answered: it says why
			} else if sendErr != nil {
				return nil, sendErr
			}
		}
		if errors.Is(err, io.EOF) {
			return stream.CloseAndRecv()
		}
		if err != nil {
			return nil, fmt.Errorf("read the dump: %w", err)
		}
	}
}
