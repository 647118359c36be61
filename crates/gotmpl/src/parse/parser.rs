//! A template's tokens to parsed templates, with Go's own messages for what is wrong.
use crate::function::FunctionMap;
use crate::parse::build::Builder;
use crate::parse::item::{Item, ItemType};
use crate::parse::lex::Lexer;
use crate::parse::tree::{Arg, Branch, Command, ListId, Node, NodeKind, Span, TemplateCall, Tree};
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
/// The stack is looked at once in so many levels: these take a fraction of the red zone.
const STACK_LEVELS: u32 = 8;

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
    parse_shared(name, Arc::from(source), functions)
}

/// The same of a source that others share.
pub fn parse_shared(
    name: &str,
    source: Arc<[u8]>,
    functions: &dyn FunctionMap,
) -> std::result::Result<Vec<Arc<Tree>>, Error> {
    let (drafts, build) = read(Some(name), &source, functions).map_err(|error| *error)?;
    Ok(finish(Str::from(name), source, drafts, build))
}

/// A source that was parsed before its name is known.
pub struct Unnamed {
    source: Arc<[u8]>,
    drafts: Vec<Draft>,
    build: Builder,
}

/// Parses a source whose name comes later; none where it has faults, or is such that the name matters.
pub fn parse_unnamed(source: Arc<[u8]>, functions: &dyn FunctionMap) -> Option<Unnamed> {
    let (drafts, build) = read(None, &source, functions).ok()?;
    Some(Unnamed { source, drafts, build })
}

impl Unnamed {
    /// What `parse_shared` makes of the source under a name; none where it has to be asked, since the source defines a
    /// template of that name.
    pub fn named(self, name: &str) -> Option<Vec<Arc<Tree>>> {
        let Unnamed { source, mut drafts, build } = self;
        let name = Str::from(name);
        // The source's own template comes to its end last.
        let (main, defined) = drafts.split_last_mut()?;
        if defined.iter().any(|draft| draft.name == name) {
            return None;
        }
        main.name = name.clone();
        Some(finish(name, source, drafts, build))
    }
}

fn finish(name: Str, source: Arc<[u8]>, drafts: Vec<Draft>, build: Builder) -> Vec<Arc<Tree>> {
    let file = Arc::new(build.finish(name, source));
    let finish = |draft: Draft| {
        let Draft { name, root, empty, root_redeclared } = draft;
        Arc::new(Tree { name, file: Arc::clone(&file), root, empty, root_redeclared })
    };
    drafts.into_iter().map(finish).collect()
}

/// The templates of a source in the order in which they end, its own last. Without a name none may be defined as "".
fn read(name: Option<&str>, source: &[u8], functions: &dyn FunctionMap) -> Result<(Vec<Draft>, Builder)> {
    let is_unnamed = name.is_none();
    let name = name.unwrap_or_default();
    if source.len() > SOURCE_BYTES_MAX {
        let text = format!("template: {name}: a source of more than {SOURCE_BYTES_MAX} bytes is not supported");
        return Err(Box::new(Error { text }));
    }
    let mut lexer = Lexer::new(source);
    lexer.break_ok = functions.find(b"break").is_none();
    lexer.continue_ok = functions.find(b"continue").is_none();
    let mut parser = Parser {
        name,
        is_unnamed,
        source,
        functions,
        lexer,
        tokens: Vec::with_capacity(32),
        at: 0,
        read: 0,
        drafts: Vec::new(),
        depth: 0,
        build: Builder::new(memchr::memchr_iter(b'{', source).count() / 2),
        nodes: Vec::new(),
        commands: Vec::new(),
        args: Vec::new(),
        current: Current::new(Str::from(name)),
    };
    parser.parse()?;
    Ok((parser.drafts, parser.build))
}

/// A template that was read to its end.
struct Draft {
    name: Str,
    root: ListId,
    empty: bool,
    root_redeclared: bool,
}

/// The template that is being parsed.
struct Current {
    name: Str,
    /// The variables in scope.
    vars: Vec<u32>,
    /// Is `$` declared anew?
    root_redeclared: bool,
    /// Where the action at hand begins.
    action: Option<u32>,
    range_depth: u32,
    paren_depth: u32,
}

impl Current {
    fn new(name: Str) -> Current {
        Current { name, vars: vec![0], root_redeclared: false, action: None, range_depth: 0, paren_depth: 0 }
    }
}

struct Parser<'s> {
    name: &'s str,
    is_unnamed: bool,
    source: &'s [u8],
    functions: &'s dyn FunctionMap,
    lexer: Lexer<'s>,
    /// What the lexer gave last, which of it comes next, and how much of it was looked at.
    tokens: Vec<Item>,
    at: usize,
    read: usize,
    drafts: Vec<Draft>,
    depth: u32,
    build: Builder,
    /// What belongs to lists, pipelines and commands that are not at their end.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    args: Vec<Arg>,
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

/// The look-ahead: all tokens of an action are there at once.
impl<'s> Parser<'s> {
    #[inline]
    fn next(&mut self) -> Item {
        let token = self.peek();
        self.at += 1;
        token
    }

    #[inline]
    fn backup(&mut self) {
        self.at -= 1;
    }

    #[inline]
    fn peek(&mut self) -> Item {
        if self.at >= self.tokens.len() {
            self.refill();
        }
        self.read = self.read.max(self.at + 1);
        self.tokens[self.at]
    }

    fn refill(&mut self) {
        self.lexer.fill(&mut self.tokens);
        (self.at, self.read) = (0, 0);
    }

    /// The position of the last token that was looked at.
    fn read_pos(&self) -> u32 {
        self.read.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(u32::MAX, |token| token.pos)
    }

    fn val(&self, token: Item) -> &'s [u8] {
        self.source.get(token.pos as usize..token.end as usize).unwrap_or_default()
    }

    /// The line of a token's position, from 1; 0 before anything was read.
    fn line(&self, pos: u32) -> usize {
        self.source.get(..pos as usize).map_or(0, |before| memchr::memchr_iter(b'\n', before).count() + 1)
    }

    #[cold]
    fn error<T>(&self, text: &str) -> Result<T> {
        self.error_at(self.read_pos(), text)
    }

    fn error_at<T>(&self, pos: u32, text: &str) -> Result<T> {
        let line = self.line(pos);
        Err(Box::new(Error { text: format!("template: {}:{line}: {text}", self.name) }))
    }

    fn expect(&mut self, expected: ItemType, context: &str) -> Result<Item> {
        let token = self.next();
        if token.typ == expected { Ok(token) } else { self.unexpected(token, context) }
    }

    #[cold]
    fn unexpected<T>(&self, token: Item, context: &str) -> Result<T> {
        if token.typ == ItemType::Error {
            let mut extra = String::new();
            let started = self.current.action.map_or(0, |pos| self.line(pos));
            if started != 0 && started != self.line(token.pos) {
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
        while self.peek().typ != ItemType::Eof {
            if self.peek().typ == ItemType::LeftDelim {
                self.next();
                if self.next().typ == ItemType::Define {
                    self.definition()?;
                    continue;
                }
                self.at -= 2;
            }
            match self.text_or_action()? {
                Parsed::Node(pos, kind) => self.nodes.push(Node { pos, kind }),
                other => return self.error(&format!("unexpected {}", other.show())),
            }
        }
        let root = self.build.list(&self.nodes);
        self.add(root)
    }

    /// Closes the current template and keeps it, unless one of its name is there already.
    fn add(&mut self, root: ListId) -> Result<()> {
        let Current { name, root_redeclared, .. } = std::mem::replace(&mut self.current, Current::new(Str::EMPTY));
        let empty = self.build.is_empty(root, self.source);
        let draft = Draft { name, root, empty, root_redeclared };
        match self.drafts.iter_mut().find(|old| old.name == draft.name) {
            None => self.drafts.push(draft),
            Some(old) if old.empty => *old = draft,
            Some(_) if draft.empty => {}
            Some(_) => {
                let name = quote::quote(draft.name.as_bytes());
                return self.error(&format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.current, Current::new(Str::from("definition")));
        let token = self.next();
        self.current.name = self.template_name(token, CONTEXT)?;
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
        let literal = self.val(token);
        if token.is_plain {
            return Ok(Str::new(literal.get(1..literal.len() - 1).unwrap_or_default()));
        }
        if let [b'"', inner @ .., b'"'] = literal
            && memchr::memchr(b'\\', inner).is_none()
            && std::str::from_utf8(inner).is_ok()
        {
            // The lexer lets no quote and no line break stand in it.
            return Ok(Str::new(inner));
        }
        match quote::unquote(literal) {
            Some(bytes) => Ok(Str::from(bytes)),
            None => self.error("invalid syntax"),
        }
    }

    /// Nodes up to an `end` or `else`, which is returned too.
    fn item_list(&mut self) -> Result<(ListId, Parsed)> {
        let mark = self.nodes.len();
        while self.peek().typ != ItemType::Eof {
            match self.text_or_action()? {
                Parsed::Node(pos, kind) => self.nodes.push(Node { pos, kind }),
                end => {
                    let list = self.build.list(&self.nodes[mark..]);
                    self.nodes.truncate(mark);
                    return Ok((list, end));
                }
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Parsed> {
        let token = self.next();
        match token.typ {
            ItemType::Text => Ok(Parsed::Node(token.pos, NodeKind::Text(Span { start: token.pos, end: token.end }))),
            ItemType::LeftDelim => {
                self.current.action = Some(token.pos);
                let parsed = self.action();
                self.current.action = None;
                parsed
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Parsed> {
        let token = self.next();
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
        let token = self.next();
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
        if !matches!(self.peek().typ, ItemType::If | ItemType::With) {
            self.expect(ItemType::RightDelim, "else")?;
        }
        Ok(Parsed::Else)
    }

    fn control(&mut self, control: Control) -> Result<Parsed> {
        if self.depth >= BLOCK_DEPTH_MAX {
            return self.error(&format!("control structures nested deeper than {BLOCK_DEPTH_MAX} are not supported"));
        }
        let vars = self.current.vars.len();
        let levels = self.depth;
        self.depth += 1;
        let branch = on_stack(levels, || self.branch(control));
        self.current.vars.truncate(vars);
        self.depth -= 1;
        let branch = branch?;
        let kind = match control {
            Control::If => NodeKind::If(branch),
            Control::With => NodeKind::With(branch),
            Control::Range => NodeKind::Range(branch),
        };
        Ok(Parsed::Node(self.build.pipe_pos(branch.pipe), kind))
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
            return Ok(self.build.list(&[Node { pos, kind }]));
        }
        let (list, next) = self.item_list()?;
        match next {
            Parsed::End => Ok(list),
            next => self.error(&format!("expected end; found {}", next.show())),
        }
    }

    fn block(&mut self) -> Result<Parsed> {
        const CONTEXT: &str = "block clause";
        let token = self.next();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, ItemType::RightDelim)?;
        if self.depth >= BLOCK_DEPTH_MAX {
            return self.error(&format!("control structures nested deeper than {BLOCK_DEPTH_MAX} are not supported"));
        }
        let levels = self.depth;
        self.depth += 1;
        let begun = self.read_pos();
        let outer = std::mem::replace(&mut self.current, Current::new(name.clone()));
        let (root, end) = on_stack(levels, || self.item_list())?;
        if !matches!(end, Parsed::End) {
            return self.error_at(begun, &format!("unexpected {} in {CONTEXT}", end.show()));
        }
        self.add(root)?;
        self.current = outer;
        self.depth -= 1;
        let name = self.build.string(name);
        Ok(Parsed::Node(token.pos, NodeKind::Template(TemplateCall { name, pipe: Some(pipe) })))
    }

    fn template(&mut self) -> Result<Parsed> {
        const CONTEXT: &str = "template clause";
        let token = self.next();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next().typ != ItemType::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, ItemType::RightDelim)?);
        }
        let name = self.build.string(name);
        Ok(Parsed::Node(token.pos, NodeKind::Template(TemplateCall { name, pipe })))
    }

    fn template_name(&mut self, token: Item, context: &str) -> Result<Str> {
        match token.typ {
            ItemType::String | ItemType::RawString => match self.unquote(token)? {
                name if name.is_empty() && self.is_unnamed => self.error("the source has no name"),
                name => Ok(name),
            },
            _ => self.unexpected(token, context),
        }
    }
}

/// Runs what a level of nesting parses, with more stack where that is due.
fn on_stack<T>(level: u32, run: impl FnOnce() -> T) -> T {
    if level.is_multiple_of(STACK_LEVELS) { stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, run) } else { run() }
}

#[path = "operand.rs"]
mod operand;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
