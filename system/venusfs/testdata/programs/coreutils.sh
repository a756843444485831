# Everything that the core utilities do to files.
cp -a "$SOURCE" copied
diff -r --no-dereference "$SOURCE" copied
show() { find "$@" \( -type d -printf '%p %M\n' -o -printf '%p %M %s %n %l\n' \) | sort; }
show copied
find copied -mindepth 1 -printf '%P %T@\n' | sort > "$SCRATCH/times"
(cd "$SOURCE" && find . -mindepth 1 -printf '%P %T@\n') | sort | diff - "$SCRATCH/times"

cp -a copied twice
cp -al copied/a/small copied/a/linked
cp -a --reflink=auto --sparse=always copied/a/large sparse
cmp copied/a/large sparse
cp -au "$SOURCE/." copied
cp --backup=numbered copied/empty sparse
cp -p copied/a/page kept && [ ! kept -nt copied/a/page ] && [ ! kept -ot copied/a/page ]

mkdir -p one/two/three
mv twice/a one/two/moved
mv one/two/moved one/two/three/again
mv -n copied/empty one && mv -f one/empty one/two/three/again/small
mv one another
install -m 0751 -D copied/a/page installed/below/file
install -d -m 0700 installed/dir
ln -s ../copied/a relative
ln -s "$PWD/copied/a/page" absolute
ln -f installed/below/file installed/below/second
ln -sfn copied/a/b relative
readlink relative; readlink -f relative/c | sed "s|$PWD|.|"; realpath --relative-to=. absolute

touch -d '2007-03-15 12:00:00.000000001 UTC' stamp
stat -c %.9Y stamp
touch -r copied/a/page stamp
stat -c %.9Y stamp
touch -h -d '1999-01-01 UTC' relative
stat -c %Y relative
touch older && touch -d '+1 hour' newer && [ newer -nt older ] && [ older -ot newer ] && echo newer
: > emptied && touch -d '2001-01-01 UTC' emptied && : > emptied && [ emptied -nt copied/a/page ] && echo emptied is new

truncate -s 100000 grown && truncate -s -50000 grown && truncate -s +1 grown && stat -c %s grown
dd if=copied/a/large of=written bs=64K status=none
dd if=/dev/zero of=written bs=1K count=3 seek=5 conv=notrunc status=none
dd if=copied/a/small of=written oflag=append conv=notrunc status=none
dd if=copied/a/page of=synced conv=fsync status=none
dd if=copied/a/large of=direct bs=4096 count=64 iflag=direct oflag=direct status=none
cmp -n 262144 copied/a/large direct
head -c 1000 written | od -An -tx1 | tail -1
fallocate -l 200000 allocated && fallocate -p -o 4096 -l 8192 allocated && stat -c %s allocated

seq 1000 > numbers
sed -i 's/^1/one /; /7$/d' numbers
sed -i.orig '1,10d' numbers
sort -R numbers | sort -n -k2 -o numbers
seq 2000 | split -l 300 - part.
cat part.* | cmp - <(seq 2000)
seq 100 | tee -a numbers > /dev/null
wc -l numbers numbers.orig
shuf -i 1-50 | xargs -P 4 -I{} sh -c 'echo {} > parallel.{}'
cat parallel.* | sort -n | md5sum; rm parallel.*
for i in 1 2 3 4; do (for j in $(seq 50); do echo "$i $j" >> appended; done) & done; wait
sort -n -o appended appended
tail -n 2 numbers; tac numbers | head -2; paste part.aa part.ab | tail -1
exec 5> held; echo first >&5; rm held; echo second >&5; exec 5>&-; ls held 2>&1 || true
exec 5<> kept; echo words >&5; mv kept renamed; echo more >&5; exec 5>&-; cat renamed

chmod -R u=rwX,go= installed && chmod a+x,o-r grown
chown -R 1000 installed && stat -c %u installed/below/file
mkdir shut && echo x > shut/x && chmod 0 shut
df . > /dev/null && sync -f . && sync renamed
[ -d another ] && [ -L relative ] && [ ! -e nothing ] && [ -s numbers ] && [ -x installed/below/file ]
rmdir another/two/three 2>&1 || true
mkdir -p p/q/r && rmdir -p p/q/r
find . -name 'part.*' -size +2 -delete; ls part.* | tr '\n' ' '
find another -depth -print0 | xargs -0 ls -d | wc -l
find . -newer stamp -type l | sort
du -s --apparent-size installed > /dev/null
rm -rf copied another
mkdir tree && (cd tree && for d in $(seq 20); do mkdir $d; seq -f "$d/%g" 100 | xargs touch; done)
find tree -type f | wc -l
rm -r tree
