# The ways in which editors save a file.
printf 'one\ntwo\n' > text
chmod 640 text
touch -d '2007-03-15 UTC' text

# Written to another name, synced, and put in the old one's place.
printf 'one\ntwo\nthree\n' | dd of=.text.swp conv=fsync status=none
chmod --reference=text .text.swp
mv .text.swp text
sync .
cat text

# The old one is kept under another name.
mv text text~
printf 'four\n' > text
chmod --reference=text~ text
cat text text~

# A copy is kept, and the file itself written over.
cp -p text text.bak
exec 5<> text; printf 'fi' >&5; exec 5>&-
cat text text.bak

# Linked to a backup and then replaced.
ln text text.old
printf 'six\n' > text.new
mv text.new text
cat text text.old
stat -c '%n %h' text text.old

# Shortened in place.
printf 'seven and eight\n' > text
exec 5<> text; printf 'nine' >&5; truncate -s 5 text; exec 5>&-
cat text; echo

# A lock file that only one can make.
for i in 1 2 3 4 5 6 7 8; do (set -C; : > text.lock) 2> /dev/null && echo locked || true & done; wait
ln -s "owner@host:1" text.link && ln -s other text.link 2> /dev/null || readlink text.link
rm text.lock
