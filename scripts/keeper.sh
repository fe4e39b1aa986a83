# Keeps a program: `sh -c "$(cat keeper.sh)" keeper FOLDER PROGRAM…`. It prints the program's process id, and runs it until a
# line names the signal that ends it. Without a line, whoever started it is gone, and the folder goes too; of two signals
# then, each program has one that it obeys at once. A stopped program hears nothing else before it is continued.
trap '' HUP INT TERM
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
kept=$!
echo "$kept"
read -r signal || abandoned=yes
kill -CONT "$kept" 2>/dev/null
for signal in ${signal:-QUIT TERM}; do kill "-$signal" "$kept" 2>/dev/null; done
wait "$kept" 2>/dev/null
[ -z "$abandoned" ] || rm -rf "$folder"
