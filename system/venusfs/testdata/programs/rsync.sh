# A tree is copied, brought up to date, and cleaned.
# needs: rsync
rsync -aH --itemize-changes "$SOURCE/" copy/ | sort
echo again:
rsync -aH --itemize-changes "$SOURCE/" copy/
rsync -aH --checksum --dry-run --itemize-changes "$SOURCE/" copy/
diff -r --no-dereference "$SOURCE" copy

cp -a "$SOURCE" "$SCRATCH/changed"
echo more >> "$SCRATCH/changed/a/small"
rm -r "$SCRATCH/changed/a/b" "$SCRATCH/changed/symlink"
mkdir "$SCRATCH/changed/symlink"
printf x | dd of="$SCRATCH/changed/a/large" bs=1 seek=1000000 conv=notrunc status=none
echo extra > copy/extra
mkdir -p copy/extra.d/below
touch -d '2011-11-11 UTC' "$SCRATCH/changed/a/small" "$SCRATCH/changed/a/large" "$SCRATCH/changed/a" "$SCRATCH/changed/symlink" "$SCRATCH/changed"
rsync -aH --delete --itemize-changes "$SCRATCH/changed/" copy/ | sort
diff -r --no-dereference "$SCRATCH/changed" copy
rsync -aH --delete --inplace --no-whole-file --itemize-changes "$SOURCE/" copy/ | sort
diff -r --no-dereference "$SOURCE" copy
rsync -a --append-verify --partial "$SCRATCH/changed/a/large" copy/a/large
rsync -a --link-dest="$PWD/copy" copy/ linked/ 2> /dev/null || echo links do not cross directories >&2
rsync -a --remove-source-files copy/ moved/
find copy -type f
rsync -a --delete --fuzzy --delay-updates "$SOURCE/" moved/
diff -r --no-dereference "$SOURCE" moved
rsync -aS moved/ "$SCRATCH/back/"
diff -r --no-dereference "$SOURCE" "$SCRATCH/back"
rm -rf linked
