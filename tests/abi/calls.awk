# Reads libmimir.h and writes calls.h: for each exported function a macro of its name that notes the call.
/^MIMIR_API int32_t mimir_[a-z0-9_]+\(/ {
    name = $3
    sub(/\(.*/, "", name)
    names[count++] = name
}
END {
    print "struct called {\n    const char *name;\n    int count;\n};\n"
    printf "#ifdef CALLS_MAIN\nstruct called calls[%d] = {\n", count
    for (i = 0; i < count; i++) printf "    {\"%s\", 0},\n", names[i]
    printf "};\n#else\nextern struct called calls[%d];\n#endif\n\n", count
    for (i = 0; i < count; i++) printf "#define %s(...) (calls[%d].count = 1, (%s)(__VA_ARGS__))\n", names[i], i, names[i]
}
