# Make builds what is out of date, and nothing else.
# needs: make
cat > Makefile <<'END'
objects := $(patsubst src/%.in,out/%.o,$(wildcard src/*.in))
all: out/program out/stamp
out: ; mkdir -p $@
out/%.o: src/%.in common | out ; @echo build $@; sort $< common > $@
out/program: $(objects) ; @echo link; cat $(sort $^) > $@.tmp; mv $@.tmp $@
out/stamp: out/program ; @echo stamp; : > $@
clean: ; rm -rf out
END
mkdir src
echo common > common
for i in $(seq 30); do seq "$i" 100 > "src/$i.in"; done
build() { make -j 4 --no-print-directory "$@" | sort; }
build
echo again:; build
sleep 0.02; echo more >> src/7.in
echo one:; build
sleep 0.02; touch src/8.in src/9.in
echo two:; build
sleep 0.02; : > common
echo all:; build | wc -l
rm out/stamp
echo stamp:; build
build clean
build | tail -1
md5sum out/program
