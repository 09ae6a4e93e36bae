//! Rust source with its text told from its code: enough to count braces, no parser.

/// A source file in two layers of equal shape: line breaks stand in both, everything else in one.
pub(crate) struct Code {
    code: String,
    comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Code,
    Comment,
    Text,
}

impl Code {
    /// Tells the layers of a source text apart.
    pub(crate) fn of(source: &str) -> Self {
        let mut result = Self { code: String::new(), comments: String::new() };
        let mut rest = source;
        while !rest.is_empty() {
            let (layer, length) = next_piece(rest);
            let (piece, after) = rest.split_at(length);
            result.push(layer, piece);
            rest = after;
        }
        result
    }

    fn push(&mut self, layer: Layer, piece: &str) {
        for c in piece.chars() {
            let blank = if c == '\n' { '\n' } else { ' ' };
            self.code.push(if layer == Layer::Code { c } else { blank });
            self.comments.push(if layer == Layer::Comment { c } else { blank });
        }
    }

    /// The code alone: comments and the content of literals are blanks.
    pub(crate) fn without_text(&self) -> &str {
        &self.code
    }

    /// The comments alone.
    pub(crate) fn comments(&self) -> &str {
        &self.comments
    }
}

/// The kind and the length in bytes of what the source begins with.
fn next_piece(rest: &str) -> (Layer, usize) {
    if rest.starts_with("//") {
        return (Layer::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Layer::Comment, block_comment(rest));
    }
    if let Some(length) = raw_string(rest) {
        return (Layer::Text, length);
    }
    if rest.starts_with('"') {
        return (Layer::Text, quoted(rest, '"'));
    }
    if rest.starts_with('\'') && is_char_literal(rest) {
        return (Layer::Text, quoted(rest, '\''));
    }
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    (Layer::Code, word.max(first))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of `r"..."`, `r#"..."#` or `br#"..."#` at the front.
fn raw_string(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let content = inner[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = content.find(&close).map_or(content.len(), |at| at + close.len());
    Some(rest.len() - content.len() + end)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// A function of a source file.
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of `fn`, counted from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
    /// The comments and attributes right above.
    pub(crate) heading: String,
}

/// All functions with a body, nested ones too.
pub(crate) fn functions(source: &str) -> Vec<Function> {
    let code = Code::of(source);
    let code = code.without_text();
    let starts = code.match_indices("fn ").filter(|&(at, _)| !code[..at].ends_with(is_word));
    starts.filter_map(|(at, _)| function_at(source, code, at)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn function_at(source: &str, code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 3..].chars().take_while(|&c| is_word(c)).collect();
    let end = body_end(&code[at..]).filter(|_| !name.is_empty())?;
    let line = code[..at].matches('\n').count() + 1;
    let above: Vec<&str> = source.lines().take(line - 1).collect();
    let heading = above.iter().rev().take_while(|text| {
        let text = text.trim();
        text.starts_with("//") || text.starts_with("#[")
    });
    let heading: Vec<&str> = heading.copied().collect();
    Some(Function {
        name,
        line,
        lines: code[at..at + end].matches('\n').count() + 1,
        heading: heading.join("\n"),
    })
}

/// Where the body that begins after this point ends; `None` for a declaration without one.
fn body_end(code: &str) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && curly == 0 => return None,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly == 0 && round == 0 {
                    return Some(at + 1);
                }
                if curly < 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn literals_and_comments_hide_their_braces() {
    let source =
        "fn a() { let b = r#\"}\"#; /* } /* } */ */ let c = '}'; let d = b'\\''; } // }\nfn e<'x>() {}\n";
    let found = functions(source);
    let lines: Vec<(&str, usize, usize)> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(lines, [("a", 1, 1), ("e", 2, 1)]);
}
