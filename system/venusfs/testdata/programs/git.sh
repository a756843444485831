# A repository is made, worked on, packed, cloned, fetched from and pushed to.
# needs: git
# differs: (^|/)index$
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2007-03-15T12:00:00Z' GIT_COMMITTER_DATE='2007-03-15T12:00:00Z'
git() { command git -c init.defaultBranch=main -c pack.threads=1 -c gc.auto=0 -c protocol.file.allow=always -c core.fsync=all "$@"; }

git init -q project
cd project
cp -a "$SOURCE/." .
git add .
git commit -q -m 'the first'
for i in $(seq 20); do seq "$i" 500 > "file$i"; git add "file$i"; git commit -q -m "commit $i"; done
git status --porcelain
git checkout -q -b branch HEAD~5
git rm -q -r a
git mv file1 renamed
echo changed >> file2
git stash -q; git stash pop -q
git commit -q -a -m 'on the branch'
git checkout -q main
git merge -q -m 'the merge' branch
git log --oneline --graph --all
git reset -q --hard HEAD~1
git rebase -q branch
git tag -a -m v1 v1
git gc -q --prune=now
git repack -q -a -d -f
git fsck --full --strict --no-progress
git grep -c 499 HEAD~3 -- 'file1*'
git worktree add -q ../tree branch
git worktree remove ../tree
git archive HEAD | tar -tf - | wc -l
git checkout -q v1~3 && git checkout -q main && git status --porcelain
git diff --stat HEAD~2
cd ..

git clone -q project linked # links do not cross directories, so that this copies; the modes of the copies are others
git -C linked fsck --full --strict --no-progress
rm -rf linked
git clone -q --no-hardlinks project clone
git clone -q --no-hardlinks --bare project bare.git
git clone -q "file://$PWD/bare.git" other
cd other
seq 10 > ten && git add ten && git commit -q -m ten && git push -q origin main
cd ../clone
git remote add bare ../bare.git
git pull -q --ff-only bare main
git fsck --full --strict --no-progress
git count-objects -v | grep garbage
git submodule -q add ../bare.git below
git commit -q -m submodule
git clean -q -fdx
git log --oneline -3
rm -f .git/hooks/*.sample ../*/.git/hooks/*.sample ../bare.git/hooks/*.sample
# These name where they are, or when it was.
rm -rf .git/logs .git/modules below ../*/.git/logs ../*/.git/config ../*/.git/FETCH_HEAD ../bare.git/config .gitmodules
