# Archives are made, unpacked, compared, added to and read back.
# needs: tar gzip
tar -C "$SOURCE" --sort=name -cf "$SCRATCH/source.tar" .
mkdir unpacked
tar -C unpacked -xpf "$SCRATCH/source.tar"
tar -C unpacked --compare -f "$SCRATCH/source.tar"

tar -C unpacked --sort=name -cf archive.tar .
cmp archive.tar "$SCRATCH/source.tar"
tar -C unpacked -rf archive.tar ./empty
tar -tf archive.tar | sort | uniq -c
tar --delete -f archive.tar ./empty
tar -C unpacked --compare -f archive.tar

tar -C unpacked -czf archive.tar.gz --sort=name .
mkdir again
tar -C again -xzpf archive.tar.gz
diff -r --no-dereference unpacked again
tar -C again -xpf archive.tar --overwrite
tar -C again -xpf archive.tar --unlink-first --recursive-unlink
tar -C again --compare -f archive.tar
gzip -df archive.tar.gz
tar -C unpacked --compare -f archive.tar
tar -C unpacked --sparse --sort=name -cf sparse.tar .
tar -C unpacked --compare -f sparse.tar
rm -r again
