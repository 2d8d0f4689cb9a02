package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Parse reads the C interface from the Go source below root. It looks at syntax alone, so that it works while generated
// files are missing or stale. Every fault that it finds is in the error, each with its file and line.
func Parse(root string) (*Model, error) {
	module, err := moduleName(root)
	if err != nil {
		return nil, err
	}
	p := &interfaceParser{
		fset:   token.NewFileSet(),
		root:   root,
		model:  &Model{Module: module, Helpers: map[string]bool{}},
		types:  map[string]fieldType{},
		strips: map[string]string{},
	}
	core, err := p.parseDirectories("core", "core/job", "core/monitor", "core/container")
	if err != nil {
		return nil, err
	}
	export, err := p.parseDirectories("export")
	if err != nil {
		return nil, err
	}
	for _, file := range core {
		p.enums(file)
	}
	for _, file := range core {
		p.version(file)
		p.enumItems(file)
		p.consts(file)
		p.structs(file)
	}
	for _, file := range export {
		p.functions(file)
		p.helpers(file)
	}
	p.noDuplicates()
	if p.model.Version == "" {
		p.faults = append(p.faults, errors.New(`core has no line: const Version = "..."`))
	}
	return p.model, errors.Join(p.faults...)
}

type sourceFile struct {
	path   string // relative to the root
	syntax *ast.File
}

type interfaceParser struct {
	fset   *token.FileSet
	root   string
	model  *Model
	types  map[string]fieldType // enum types by Go name
	strips map[string]string    // enum types by Go name: the prefix that their constants lose
	faults []error
}

func moduleName(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "module "); found {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%s: no module line", filepath.Join(root, "go.mod"))
}

// parseDirectories parses the Go files of directories in the order of their names, without tests and generated files.
func (p *interfaceParser) parseDirectories(directories ...string) ([]sourceFile, error) {
	var files []sourceFile
	for _, directory := range directories {
		names, err := filepath.Glob(filepath.Join(p.root, directory, "*.go"))
		if err != nil {
			return nil, err
		}
		sort.Strings(names)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_gen.go") {
				continue
			}
			path := directory + "/" + filepath.Base(name)
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			syntax, err := parser.ParseFile(p.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, sourceFile{path, syntax})
		}
	}
	return files, nil
}

func (p *interfaceParser) fault(at token.Pos, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s: %s", p.fset.Position(at), fmt.Sprintf(format, args...)))
}

// directive finds a line //mimir:<name> in a doc comment and gives the words behind it.
func directive(doc *ast.CommentGroup, name string) (words []string, found bool) {
	if doc == nil {
		return nil, false
	}
	for _, comment := range doc.List {
		rest, is := strings.CutPrefix(comment.Text, "//mimir:"+name)
		if is && (rest == "" || rest[0] == ' ') {
			return strings.Fields(rest), true
		}
	}
	return nil, false
}

// docOf is a doc comment's text without directives. A comment that would end a C comment is refused.
func (p *interfaceParser) docOf(doc *ast.CommentGroup, at token.Pos, what string) string {
	text := strings.TrimSpace(doc.Text())
	if text == "" {
		p.fault(at, "%s has no doc comment", what)
	}
	if strings.Contains(text, "*/") || strings.Contains(text, "/*") || strings.Contains(text, `"""`) {
		p.fault(at, "the doc comment of %s would end or begin a comment in the generated files", what)
	}
	return text
}

// typeSpecs calls visit for each type with its doc comment.
func typeSpecs(file *ast.File, visit func(spec *ast.TypeSpec, doc *ast.CommentGroup)) {
	for _, decl := range file.Decls {
		gen, is := decl.(*ast.GenDecl)
		if !is || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.TypeSpec)
			doc := spec.Doc
			if doc == nil && !gen.Lparen.IsValid() {
				doc = gen.Doc
			}
			visit(spec, doc)
		}
	}
}

// valueSpecs calls visit for each constant declaration with its doc comment.
func valueSpecs(file *ast.File, visit func(spec *ast.ValueSpec, doc *ast.CommentGroup)) {
	for _, decl := range file.Decls {
		gen, is := decl.(*ast.GenDecl)
		if !is || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			doc := spec.Doc
			if doc == nil && !gen.Lparen.IsValid() {
				doc = gen.Doc
			}
			visit(spec, doc)
		}
	}
}

func (p *interfaceParser) enums(file sourceFile) {
	typeSpecs(file.syntax, func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
		words, flags := directive(doc, "flags")
		underlying := "uint32"
		if !flags {
			var found bool
			if words, found = directive(doc, "enum"); !found {
				return
			}
			underlying = "int32"
		}
		strip, stripped := "", false
		if len(words) == 3 {
			strip, stripped = strings.CutPrefix(words[2], "strip=")
		}
		if !stripped {
			p.fault(doc.Pos(), "want //mimir:enum C_NAME PREFIX strip=GoPrefix")
			return
		}
		if ident, is := spec.Type.(*ast.Ident); !is || ident.Name != underlying {
			p.fault(spec.Pos(), "%s must be a %s", spec.Name.Name, underlying)
			return
		}
		p.types[spec.Name.Name] = fieldTypes[underlying]
		p.strips[spec.Name.Name] = strip
		p.model.Enums = append(p.model.Enums, &Enum{
			CName: words[0], GoName: spec.Name.Name, Prefix: words[1], Flags: flags,
			Doc: p.docOf(doc, spec.Pos(), "the type "+spec.Name.Name), File: file.path,
		})
	})
}

func (p *interfaceParser) enumItems(file sourceFile) {
	byName := map[string]*Enum{}
	for _, enum := range p.model.Enums {
		if enum.File == file.path {
			byName[enum.GoName] = enum
		}
	}
	known := map[string]constant.Value{}
	valueSpecs(file.syntax, func(spec *ast.ValueSpec, doc *ast.CommentGroup) {
		ident, is := spec.Type.(*ast.Ident)
		if !is || byName[ident.Name] == nil {
			return
		}
		enum := byName[ident.Name]
		if len(spec.Names) != 1 || len(spec.Values) != 1 {
			p.fault(spec.Pos(), "a constant of %s must be written alone and with its number", enum.GoName)
			return
		}
		name := spec.Names[0].Name
		short, stripped := strings.CutPrefix(name, p.strips[enum.GoName])
		if !stripped || short == "" {
			p.fault(spec.Pos(), "%s does not begin with %s", name, p.strips[enum.GoName])
			return
		}
		value := p.evaluate(spec.Values[0], known)
		number, exact := constant.Int64Val(constant.ToInt(value))
		if value.Kind() == constant.Unknown || !exact || number < -1<<31 || number >= 1<<31 {
			p.fault(spec.Pos(), "%s is not a written number that fits 32 bits", name)
			return
		}
		known[name] = value
		enum.Items = append(enum.Items, Item{
			CName: enum.Prefix + strings.ToUpper(snake(short)), GoName: name, Value: number,
			Doc: p.docOf(doc, spec.Pos(), name),
		})
	})
	for _, enum := range p.model.Enums {
		if enum.File == file.path && len(enum.Items) == 0 {
			p.faults = append(p.faults, fmt.Errorf("%s: no constants of the type %s follow in this file", file.path, enum.GoName))
		}
	}
}

// evaluate computes a constant expression of numbers, names in known and math.MaxUint64. iota is not understood on
// purpose: the numbers are the interface, and a line put in the middle must not move them.
func (p *interfaceParser) evaluate(expr ast.Expr, known map[string]constant.Value) constant.Value {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0)
	case *ast.ParenExpr:
		return p.evaluate(e.X, known)
	case *ast.Ident:
		if value, found := known[e.Name]; found {
			return value
		}
	case *ast.UnaryExpr:
		if x := p.evaluate(e.X, known); x.Kind() == constant.Int && (e.Op == token.SUB || e.Op == token.ADD) {
			return constant.UnaryOp(e.Op, x, 0)
		}
	case *ast.BinaryExpr:
		x, y := p.evaluate(e.X, known), p.evaluate(e.Y, known)
		if x.Kind() != constant.Int || y.Kind() != constant.Int {
			break
		}
		switch e.Op {
		case token.SHL, token.SHR:
			if shift, exact := constant.Uint64Val(y); exact && shift < 64 {
				return constant.Shift(x, e.Op, uint(shift))
			}
		case token.ADD, token.SUB, token.MUL, token.OR, token.AND:
			return constant.BinaryOp(x, e.Op, y)
		}
	case *ast.SelectorExpr:
		if pkg, is := e.X.(*ast.Ident); is && pkg.Name == "math" && e.Sel.Name == "MaxUint64" {
			return constant.MakeUint64(1<<64 - 1)
		}
	}
	return constant.MakeUnknown()
}

func (p *interfaceParser) version(file sourceFile) {
	valueSpecs(file.syntax, func(spec *ast.ValueSpec, _ *ast.CommentGroup) {
		if file.syntax.Name.Name != "core" || len(spec.Names) != 1 || spec.Names[0].Name != "Version" || len(spec.Values) != 1 {
			return
		}
		if literal, is := spec.Values[0].(*ast.BasicLit); is && literal.Kind == token.STRING {
			p.model.Version, _ = strconv.Unquote(literal.Value)
		}
	})
}

func (p *interfaceParser) consts(file sourceFile) {
	valueSpecs(file.syntax, func(spec *ast.ValueSpec, doc *ast.CommentGroup) {
		words, found := directive(doc, "const")
		if !found {
			return
		}
		typ, is := spec.Type.(*ast.Ident)
		if len(words) != 1 || !is || len(spec.Names) != 1 || len(spec.Values) != 1 {
			p.fault(spec.Pos(), "want //mimir:const C_NAME on one typed constant")
			return
		}
		name := spec.Names[0].Name
		value := p.evaluate(spec.Values[0], nil)
		if value.Kind() != constant.Int {
			p.fault(spec.Pos(), "%s is not a written number", name)
			return
		}
		c := value.ExactString()
		switch {
		case typ.Name == "uint64" && c == "18446744073709551615":
			c = "UINT64_MAX"
		case typ.Name == "uint64":
			c = "UINT64_C(" + c + ")"
		case typ.Name == "int64":
			c = "INT64_C(" + c + ")"
		case typ.Name == "uint32":
			c += "u"
		case typ.Name == "int32":
			c = "(" + c + ")"
		default:
			p.fault(spec.Pos(), "%s has a type other than int32, uint32, int64 and uint64", name)
			return
		}
		p.model.Consts = append(p.model.Consts, &Const{
			CName: words[0], GoName: name, CValue: c, PyValue: value.ExactString(),
			Doc: p.docOf(doc, spec.Pos(), name), File: file.path,
		})
	})
}

func (p *interfaceParser) structs(file sourceFile) {
	typeSpecs(file.syntax, func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
		words, found := directive(doc, "struct")
		if !found {
			return
		}
		body, is := spec.Type.(*ast.StructType)
		if len(words) != 1 || !is {
			p.fault(spec.Pos(), "want //mimir:struct C_NAME on a struct")
			return
		}
		s := &Struct{
			CName: words[0], GoName: spec.Name.Name, Package: filepath.ToSlash(filepath.Dir(file.path)),
			Doc: p.docOf(doc, spec.Pos(), "the struct "+spec.Name.Name), File: file.path,
		}
		var positions []token.Pos
		reserved := 0
		appended := false
		for _, field := range body.Fields.List {
			typ, length, ok := p.fieldType(field.Type)
			if !ok {
				p.fault(field.Pos(), "%s: a field of this type cannot be part of the C interface", s.GoName)
				return
			}
			if _, marked := directive(field.Doc, "appended"); marked {
				appended = true
			}
			if len(field.Names) == 0 {
				p.fault(field.Pos(), "%s: a struct put into another cannot be part of the C interface", s.GoName)
				return
			}
			for _, name := range field.Names {
				f := Field{GoName: name.Name, CName: snake(name.Name), Type: typ, ArrayLength: length, Appended: appended}
				if name.Name == "_" {
					f.CName = fmt.Sprintf("reserved%d", reserved)
					f.Doc = "Zero."
					reserved++
				} else {
					f.Doc = p.docOf(field.Doc, name.Pos(), s.GoName+"."+name.Name)
				}
				s.Fields = append(s.Fields, f)
				positions = append(positions, name.Pos())
			}
		}
		if len(s.Fields) == 0 {
			p.fault(spec.Pos(), "%s has no fields", s.GoName)
			return
		}
		if err := s.layOut(func(i int) token.Position { return p.fset.Position(positions[i]) }); err != nil {
			p.faults = append(p.faults, err)
			return
		}
		p.model.Structs = append(p.model.Structs, s)
	})
}

func (p *interfaceParser) fieldType(expr ast.Expr) (typ fieldType, arrayLength int, ok bool) {
	switch e := expr.(type) {
	case *ast.Ident:
		if e.Name == "byte" {
			return fieldType{}, 0, false // only as an array
		}
		if typ, ok = fieldTypes[e.Name]; ok {
			return typ, 0, true
		}
		typ, ok = p.types[e.Name]
		return typ, 0, ok
	case *ast.SelectorExpr:
		typ, ok = p.types[e.Sel.Name]
		return typ, 0, ok
	case *ast.ArrayType:
		element, is := e.Elt.(*ast.Ident)
		literal, fixed := e.Len.(*ast.BasicLit)
		if !is || !fixed || element.Name != "byte" {
			return fieldType{}, 0, false
		}
		length, err := strconv.Atoi(literal.Value)
		return fieldTypes["byte"], length, err == nil && length > 0
	}
	return fieldType{}, 0, false
}

const goPrefix, cPrefix = "mimirgo_", "mimir_"

func (p *interfaceParser) functions(file sourceFile) {
	for _, decl := range file.syntax.Decls {
		fn, is := decl.(*ast.FuncDecl)
		if !is || !exported(fn) {
			continue
		}
		goName := fn.Name.Name
		short, named := strings.CutPrefix(goName, goPrefix)
		if !named {
			p.fault(fn.Pos(), "the exported function %s does not begin with %s", goName, goPrefix)
			continue
		}
		f := &Function{
			CName: cPrefix + short, GoName: goName, Position: p.fset.Position(fn.Pos()),
			Section: strings.TrimSuffix(filepath.Base(file.path), ".go"),
		}
		f.Doc = p.docOf(fn.Doc, fn.Pos(), goName)
		if f.Doc != "" && !strings.HasPrefix(f.Doc, f.CName+" ") {
			p.fault(fn.Pos(), "the doc comment of %s does not begin with %q", goName, f.CName)
		}
		if f.Doc != "" && !strings.Contains(f.Doc, "\n\nReturns: ") {
			p.fault(fn.Pos(), `the doc comment of %s has no paragraph "Returns: "`, goName)
		}
		switch words, found := directive(fn.Doc, "forked"); {
		case found && len(words) == 1 && words[0] == "c":
			f.ForkedInC = true
		case found && len(words) == 1 && words[0] == "always":
			f.ForkedInC, f.AlwaysInC = true, true
		case found && len(words) == 1 && words[0] == "refuse":
		default:
			p.fault(fn.Pos(), "%s does not say //mimir:forked c, always or refuse", goName)
		}
		if !returnsStatus(fn) {
			p.fault(fn.Pos(), "%s does not return (status C.int32_t)", goName)
		}
		// mimir_last_error must not replace the error that it reports, and enters no Go code that could panic.
		if goName != "mimirgo_last_error" && !beginsWithGuard(fn) {
			p.fault(fn.Pos(), "%s does not begin with `defer guard(&status)`: a panic would end the host", goName)
		}
		for _, field := range fn.Type.Params.List {
			for _, name := range field.Names {
				param := Param{Name: strings.TrimSuffix(name.Name, "_")}
				typ, ok := p.paramType(field.Type, param.Name)
				if !ok {
					p.fault(field.Pos(), "%s: the parameter %s has a type that cannot be part of the C interface", goName, name.Name)
				}
				param.Type = typ
				if param.Name == "count" && !strings.HasSuffix(typ.c, "*") {
					takeLists(f.Params)
				}
				f.Params = append(f.Params, param)
			}
		}
		p.model.Functions = append(p.model.Functions, f)
	}
}

// takeLists makes the pointers to numbers before a parameter count those of lists, which are read only.
func takeLists(params []Param) {
	for i := range params {
		t := &params[i].Type
		if target, is := strings.CutSuffix(t.c, " *"); is && scalarTypes[target] != "" {
			t.c, t.cast = "const "+t.c, "("+t.c+")"
		}
	}
}

func exported(fn *ast.FuncDecl) bool {
	if fn.Doc == nil || fn.Recv != nil {
		return false
	}
	for _, comment := range fn.Doc.List {
		if strings.HasPrefix(comment.Text, "//export ") {
			return true
		}
	}
	return false
}

func returnsStatus(fn *ast.FuncDecl) bool {
	results := fn.Type.Results
	if results == nil || len(results.List) != 1 || len(results.List[0].Names) != 1 {
		return false
	}
	return results.List[0].Names[0].Name == "status" && cgoName(results.List[0].Type) == "int32_t"
}

func beginsWithGuard(fn *ast.FuncDecl) bool {
	if fn.Body == nil || len(fn.Body.List) == 0 {
		return false
	}
	statement, is := fn.Body.List[0].(*ast.DeferStmt)
	if !is || len(statement.Call.Args) != 1 {
		return false
	}
	callee, isName := statement.Call.Fun.(*ast.Ident)
	address, isAddress := statement.Call.Args[0].(*ast.UnaryExpr)
	if !isName || !isAddress || callee.Name != "guard" || address.Op != token.AND {
		return false
	}
	variable, is := address.X.(*ast.Ident)
	return is && variable.Name == "status"
}

// cgoName is X of the expression C.X.
func cgoName(expr ast.Expr) string {
	selector, is := expr.(*ast.SelectorExpr)
	if !is {
		return ""
	}
	if pkg, is := selector.X.(*ast.Ident); !is || pkg.Name != "C" {
		return ""
	}
	return selector.Sel.Name
}

var scalarTypes = map[string]string{
	"int32_t": "ctypes.c_int32", "uint32_t": "ctypes.c_uint32", "int64_t": "ctypes.c_int64", "uint64_t": "ctypes.c_uint64",
	"double": "ctypes.c_double",
}

func (p *interfaceParser) paramType(expr ast.Expr, name string) (paramType, bool) {
	buffer := name == "buffer"
	if python, is := scalarTypes[cgoName(expr)]; is {
		return paramType{c: cgoName(expr), python: python}, true
	}
	if selector, is := expr.(*ast.SelectorExpr); is {
		if pkg, is := selector.X.(*ast.Ident); is && pkg.Name == "unsafe" && selector.Sel.Name == "Pointer" {
			if buffer {
				return paramType{c: "void *", python: "ctypes.c_void_p"}, true
			}
			return paramType{c: "const void *", cast: "(void *)", python: "ctypes.c_void_p"}, true
		}
	}
	pointer, is := expr.(*ast.StarExpr)
	if !is {
		return paramType{}, false
	}
	target := cgoName(pointer.X)
	if python, is := scalarTypes[target]; is {
		return paramType{c: target + " *", python: "ctypes.POINTER(" + python + ")"}, true
	}
	if target == "char" {
		if buffer {
			return paramType{c: "char *", python: "ctypes.c_void_p"}, true
		}
		return paramType{c: "const char *", cast: "(char *)", python: "ctypes.c_char_p"}, true
	}
	for _, s := range p.model.Structs {
		if s.CName == target {
			return paramType{c: target + " *", python: "ctypes.POINTER(" + target + ")"}, true
		}
	}
	if inner, is := pointer.X.(*ast.StarExpr); is && cgoName(inner.X) == "char" {
		return paramType{c: "const char *const *", cast: "(char **)", python: "ctypes.POINTER(ctypes.c_char_p)"}, true
	}
	return paramType{}, false
}

// helpers notes which struct helpers the hand-written code calls, so that no unused one is generated.
func (p *interfaceParser) helpers(file sourceFile) {
	ast.Inspect(file.syntax, func(node ast.Node) bool {
		if ident, is := node.(*ast.Ident); is {
			if strings.HasPrefix(ident.Name, "check_") || strings.HasPrefix(ident.Name, "store_") {
				p.model.Helpers[ident.Name] = true
			}
		}
		return true
	})
}

// noDuplicates refuses two things of one name, and two constants of an enum with one number.
func (p *interfaceParser) noDuplicates() {
	seen := map[string]string{}
	claim := func(name, what string) {
		if first, taken := seen[name]; taken {
			p.faults = append(p.faults, fmt.Errorf("%s is the name of %s and of %s", name, first, what))
		}
		seen[name] = what
	}
	for _, enum := range p.model.Enums {
		claim("enum "+enum.CName, "an enum in "+enum.File)
		numbers := map[int64]string{}
		for _, item := range enum.Items {
			claim(item.CName, "a constant in "+enum.File)
			if first, taken := numbers[item.Value]; taken {
				p.faults = append(p.faults, fmt.Errorf("%s: %s and %s have the same number", enum.File, first, item.GoName))
			}
			numbers[item.Value] = item.GoName
		}
	}
	for _, c := range p.model.Consts {
		claim(c.CName, "a constant in "+c.File)
	}
	for _, s := range p.model.Structs {
		claim(s.CName, "a struct in "+s.File)
	}
	for _, f := range p.model.Functions {
		claim(f.CName, "a function in export/"+f.Section+".go")
	}
}
