//! A template's tokens to parsed templates, with Go's own messages for what is wrong.
use crate::function::FunctionMap;
use crate::parse::build::Builder;
use crate::parse::item::{Item, ItemType};
use crate::parse::lex::Lexer;
use crate::parse::tree::{Branch, ListId, NodeKind, Span, TemplateCall, Tree};
use crate::quote;
use crate::string::Str;
use std::sync::Arc;

/// How deep parentheses may nest; Go's number.
const PAREN_DEPTH_MAX: u32 = 10_000;
/// How deep control structures may nest, chains of `else if` among them. Go has no bound.
const BLOCK_DEPTH_MAX: u32 = 10_000;
/// A source may not be longer, since positions have 32 bits.
const SOURCE_BYTES_MAX: usize = 1 << 30;
/// Stack that one level of nesting may take, and what is added where it is not there.
pub(crate) const STACK_RED_ZONE: usize = 128 << 10;
pub(crate) const STACK_SEGMENT: usize = 4 << 20;

/// Why a template can't be parsed, in Go's words: `template: NAME:LINE: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// The whole message.
    pub text: String,
}

pub(crate) type Result<T> = std::result::Result<T, Box<Error>>;

/// The templates of one source: its own, under the name given, and those it defines.
pub fn parse(name: &str, source: &[u8], functions: &dyn FunctionMap) -> std::result::Result<Vec<Arc<Tree>>, Error> {
    parse_boxed(name, source, functions).map_err(|error| *error)
}

fn parse_boxed(name: &str, source: &[u8], functions: &dyn FunctionMap) -> Result<Vec<Arc<Tree>>> {
    if source.len() > SOURCE_BYTES_MAX {
        let text = format!("template: {name}: a source of more than {SOURCE_BYTES_MAX} bytes is not supported");
        return Err(Box::new(Error { text }));
    }
    let mut lexer = Lexer::new(source);
    lexer.break_ok = functions.find("break").is_none();
    lexer.continue_ok = functions.find("continue").is_none();
    let mut parser = Parser {
        name,
        source: Arc::from(source),
        functions,
        lexer,
        trees: Vec::new(),
        depth: 0,
        current: Current::new(Str::from(name)),
    };
    parser.parse()?;
    Ok(parser.trees.into_iter().map(Arc::new).collect())
}

/// The template that is being parsed, with its look-ahead.
struct Current {
    build: Builder,
    name: Str,
    token: [Item; 3],
    peek_count: usize,
    vars: Vec<u32>,
    action_line: u32,
    range_depth: u32,
    paren_depth: u32,
}

impl Current {
    fn new(name: Str) -> Current {
        Current {
            build: Builder::new(),
            name,
            token: [Item::NONE; 3],
            peek_count: 0,
            vars: vec![0],
            action_line: 0,
            range_depth: 0,
            paren_depth: 0,
        }
    }
}

struct Parser<'s> {
    name: &'s str,
    source: Arc<[u8]>,
    functions: &'s dyn FunctionMap,
    lexer: Lexer<'s>,
    trees: Vec<Tree>,
    depth: u32,
    current: Current,
}

/// What an action in a list turned out to be.
enum Parsed {
    Node(u32, NodeKind),
    End,
    Else,
}

impl Parsed {
    fn show(&self) -> &'static str {
        match self {
            Parsed::Else => "{{else}}",
            _ => "{{end}}",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Control::If => "if",
            Control::With => "with",
            Control::Range => "range",
        }
    }
}

/// The look-ahead of three tokens.
impl Parser<'_> {
    fn next(&mut self) -> Item {
        if self.current.peek_count > 0 {
            self.current.peek_count -= 1;
        } else {
            self.current.token[0] = self.lexer.next_item();
        }
        self.current.token[self.current.peek_count]
    }

    fn backup(&mut self) {
        self.current.peek_count += 1;
    }

    /// Backs up two tokens; the later one is in its place already.
    fn backup2(&mut self, first: Item) {
        self.current.token[1] = first;
        self.current.peek_count = 2;
    }

    /// Backs up three tokens; the latest one is in its place already.
    fn backup3(&mut self, first: Item, second: Item) {
        self.current.token[1] = second;
        self.current.token[2] = first;
        self.current.peek_count = 3;
    }

    fn peek(&mut self) -> Item {
        if self.current.peek_count == 0 {
            self.current.peek_count = 1;
            self.current.token[0] = self.lexer.next_item();
        }
        self.current.token[self.current.peek_count - 1]
    }

    fn next_non_space(&mut self) -> Item {
        loop {
            let token = self.next();
            if token.typ != ItemType::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn val(&self, token: Item) -> &[u8] {
        &self.source[token.pos as usize..token.end as usize]
    }

    fn error<T>(&self, text: &str) -> Result<T> {
        let line = self.current.token[0].line;
        Err(Box::new(Error { text: format!("template: {}:{line}: {text}", self.name) }))
    }

    fn expect(&mut self, expected: ItemType, context: &str) -> Result<Item> {
        let token = self.next_non_space();
        if token.typ == expected { Ok(token) } else { self.unexpected(token, context) }
    }

    fn unexpected<T>(&self, token: Item, context: &str) -> Result<T> {
        if token.typ == ItemType::Error {
            let mut extra = String::new();
            let started = self.current.action_line;
            if started != 0 && started != token.line {
                let what = if self.lexer.error.ends_with(" action") { "" } else { " in action" };
                extra = format!("{what} started at {}:{started}", self.name);
            }
            return self.error(&format!("{}{extra}", self.lexer.error));
        }
        self.error(&format!("unexpected {} in {context}", token.show(self.val(token))))
    }
}

/// Templates and what they are made of.
impl Parser<'_> {
    fn parse(&mut self) -> Result<()> {
        self.peek();
        let mut nodes = Vec::new();
        while self.peek().typ != ItemType::Eof {
            if self.peek().typ == ItemType::LeftDelim {
                let delim = self.next();
                if self.next_non_space().typ == ItemType::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Parsed::Node(pos, kind) => nodes.push((pos, kind)),
                other => return self.error(&format!("unexpected {}", other.show())),
            }
        }
        let root = self.current.build.list(nodes, &self.source);
        self.add(root)
    }

    /// Closes the current template and keeps it, unless one of its name is there already.
    fn add(&mut self, root: ListId) -> Result<()> {
        let current = std::mem::replace(&mut self.current, Current::new(Str::EMPTY));
        let token = current.token;
        let tree = current.build.finish(current.name, Str::from(self.name), Arc::clone(&self.source), root);
        match self.trees.iter_mut().find(|old| old.name == tree.name) {
            None => self.trees.push(tree),
            Some(old) if old.is_empty() => *old = tree,
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                self.current.token = token;
                let name = quote::quote(tree.name.as_bytes());
                return self.error(&format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.current, Current::new(Str::from("definition")));
        let token = self.next_non_space();
        if !matches!(token.typ, ItemType::String | ItemType::RawString) {
            return self.unexpected(token, CONTEXT);
        }
        self.current.name = self.unquote(token)?;
        self.expect(ItemType::RightDelim, CONTEXT)?;
        let (root, end) = self.item_list()?;
        if !matches!(end, Parsed::End) {
            return self.error(&format!("unexpected {} in {CONTEXT}", end.show()));
        }
        self.add(root)?;
        self.current = outer;
        Ok(())
    }

    fn unquote(&mut self, token: Item) -> Result<Str> {
        match quote::unquote(self.val(token)) {
            Some(bytes) => Ok(Str::from(bytes)),
            None => self.error("invalid syntax"),
        }
    }

    /// Nodes up to an `end` or `else`, which is returned too.
    fn item_list(&mut self) -> Result<(ListId, Parsed)> {
        let mut nodes = Vec::new();
        while self.peek_non_space().typ != ItemType::Eof {
            match self.text_or_action()? {
                Parsed::Node(pos, kind) => nodes.push((pos, kind)),
                end => return Ok((self.current.build.list(nodes, &self.source), end)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Parsed> {
        let token = self.next_non_space();
        match token.typ {
            ItemType::Text => Ok(Parsed::Node(token.pos, NodeKind::Text(Span { start: token.pos, end: token.end }))),
            ItemType::LeftDelim => {
                self.current.action_line = token.line;
                let parsed = self.action();
                self.current.action_line = 0;
                parsed
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Parsed> {
        let token = self.next_non_space();
        match token.typ {
            ItemType::Block => self.block(),
            ItemType::Break => self.jump(token, NodeKind::Break, "{{break}}"),
            ItemType::Continue => self.jump(token, NodeKind::Continue, "{{continue}}"),
            ItemType::Else => self.otherwise(),
            ItemType::End => self.expect(ItemType::RightDelim, "end").map(|_| Parsed::End),
            ItemType::If => self.control(Control::If),
            ItemType::Range => self.control(Control::Range),
            ItemType::Template => self.template(),
            ItemType::With => self.control(Control::With),
            _ => {
                self.backup();
                let pos = self.peek().pos;
                let pipe = self.pipeline("command", ItemType::RightDelim)?;
                Ok(Parsed::Node(pos, NodeKind::Action(pipe)))
            }
        }
    }

    fn jump(&mut self, keyword: Item, kind: NodeKind, shown: &str) -> Result<Parsed> {
        let token = self.next_non_space();
        if token.typ != ItemType::RightDelim {
            return self.unexpected(token, shown);
        }
        if self.current.range_depth == 0 {
            return self.error(&format!("{shown} outside {{{{range}}}}"));
        }
        Ok(Parsed::Node(keyword.pos, kind))
    }

    /// `{{else if …` is read as `{{else}}{{if …`.
    fn otherwise(&mut self) -> Result<Parsed> {
        if !matches!(self.peek_non_space().typ, ItemType::If | ItemType::With) {
            self.expect(ItemType::RightDelim, "else")?;
        }
        Ok(Parsed::Else)
    }

    fn control(&mut self, control: Control) -> Result<Parsed> {
        if self.depth >= BLOCK_DEPTH_MAX {
            return self.error(&format!("control structures nested deeper than {BLOCK_DEPTH_MAX} are not supported"));
        }
        self.depth += 1;
        let vars = self.current.vars.len();
        let branch = stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, || self.branch(control));
        self.current.vars.truncate(vars);
        self.depth -= 1;
        let branch = branch?;
        let kind = match control {
            Control::If => NodeKind::If(branch),
            Control::With => NodeKind::With(branch),
            Control::Range => NodeKind::Range(branch),
        };
        Ok(Parsed::Node(self.current.build.pipe_pos(branch.pipe), kind))
    }

    fn branch(&mut self, control: Control) -> Result<Branch> {
        let pipe = self.pipeline(control.name(), ItemType::RightDelim)?;
        let is_range = u32::from(control == Control::Range);
        self.current.range_depth += is_range;
        let (list, next) = self.item_list()?;
        self.current.range_depth -= is_range;
        let mut otherwise = None;
        if matches!(next, Parsed::Else) {
            otherwise = Some(self.else_list(control)?);
        }
        Ok(Branch { pipe, list, otherwise })
    }

    fn else_list(&mut self, control: Control) -> Result<ListId> {
        let keyword = match control {
            Control::If => Some(ItemType::If),
            Control::With => Some(ItemType::With),
            Control::Range => None,
        };
        if Some(self.peek().typ) == keyword {
            self.next();
            let Parsed::Node(pos, kind) = self.control(control)? else {
                return self.error("unexpected EOF");
            };
            return Ok(self.current.build.list(vec![(pos, kind)], &self.source));
        }
        let (list, next) = self.item_list()?;
        match next {
            Parsed::End => Ok(list),
            next => self.error(&format!("expected end; found {}", next.show())),
        }
    }

    fn block(&mut self) -> Result<Parsed> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, ItemType::RightDelim)?;
        if self.depth >= BLOCK_DEPTH_MAX {
            return self.error(&format!("control structures nested deeper than {BLOCK_DEPTH_MAX} are not supported"));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.current, Current::new(name.clone()));
        let (root, end) = stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, || self.item_list())?;
        if !matches!(end, Parsed::End) {
            self.current = outer;
            return self.error(&format!("unexpected {} in {CONTEXT}", end.show()));
        }
        self.add(root)?;
        self.current = outer;
        self.depth -= 1;
        let name = self.current.build.string(name);
        Ok(Parsed::Node(token.pos, NodeKind::Template(TemplateCall { name, pipe: Some(pipe) })))
    }

    fn template(&mut self) -> Result<Parsed> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().typ != ItemType::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, ItemType::RightDelim)?);
        }
        let name = self.current.build.string(name);
        Ok(Parsed::Node(token.pos, NodeKind::Template(TemplateCall { name, pipe })))
    }

    fn template_name(&mut self, token: Item, context: &str) -> Result<Str> {
        match token.typ {
            ItemType::String | ItemType::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }
}

#[path = "operand.rs"]
mod operand;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
