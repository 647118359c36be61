//! A parsed template: nodes in flat vectors, referring to each other by index. `Send + Sync`, dropped without recursion.
use crate::function::Function;
use crate::parse::number::Number;
use crate::string::Str;
use std::ops::Range;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

/// A source, parsed: the nodes of all templates in it, with the names, constants and functions they use already resolved.
pub struct File {
    /// The name of the file's own template, for messages.
    pub name: Str,
    /// The whole source.
    pub text: Arc<[u8]>,
    pub(crate) lists: Vec<List>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) commands: Vec<Command>,
    pub(crate) args: Vec<Arg>,
    /// Field names, in chains.
    pub(crate) names: Vec<Name>,
    /// Names of variables with their `$`; 0 is `$` itself.
    pub(crate) variables: Vec<Str>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) strings: Vec<Str>,
    pub(crate) functions: Vec<Callee>,
    /// Where each line ends, once somebody asked.
    pub(crate) newlines: OnceLock<Box<[u32]>>,
}

impl File {
    /// The line of a position, from 1.
    pub fn line(&self, pos: u32) -> u32 {
        let ends = self.newlines.get_or_init(|| memchr::memchr_iter(b'\n', &self.text).map(|at| at as u32).collect());
        ends.partition_point(|end| *end < pos) as u32 + 1
    }
}

/// A field's name, and where among the keys of a map it stood the last time: mostly it stands there again.
pub(crate) struct Name {
    pub(crate) text: Str,
    pub(crate) hint: AtomicU32,
}

/// One template of a file.
pub struct Tree {
    /// The template's own name.
    pub name: Str,
    /// Where it stands.
    pub file: Arc<File>,
    /// What is executed.
    pub root: ListId,
    /// Is there nothing but space and comments?
    pub(crate) empty: bool,
    /// Is `$` declared anew somewhere?
    pub(crate) root_redeclared: bool,
}

/// An index into `File::lists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId(pub(crate) u32);
/// An index into `File::nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) u32);
/// An index into `File::pipes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeId(pub(crate) u32);
/// An index into `File::commands`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandId(pub(crate) u32);
/// An index into `File::args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgId(pub(crate) u32);

/// A run of neighbours in one of the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// Nodes that are executed one after another.
pub(crate) struct List {
    pub(crate) nodes: Span,
}

/// What stands between text: an action or a control structure.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    pub(crate) pos: u32,
    pub(crate) kind: NodeKind,
}

#[derive(Clone, Copy)]
pub(crate) enum NodeKind {
    /// A stretch of the source.
    Text(Span),
    Action(PipeId),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(TemplateCall),
    Break,
    Continue,
}

#[derive(Clone, Copy)]
pub(crate) struct Branch {
    pub(crate) pipe: PipeId,
    pub(crate) list: ListId,
    pub(crate) otherwise: Option<ListId>,
}

#[derive(Clone, Copy)]
pub(crate) struct TemplateCall {
    /// An index into `File::strings`.
    pub(crate) name: u32,
    pub(crate) pipe: Option<PipeId>,
}

/// A pipeline.
pub(crate) struct Pipe {
    pub(crate) pos: u32,
    pub(crate) assign: bool,
    /// How many variables, and which.
    pub(crate) decl_count: u8,
    pub(crate) decl: [u32; 2],
    pub(crate) commands: Span,
}

impl Pipe {
    pub(crate) fn decl(&self) -> &[u32] {
        &self.decl[..usize::from(self.decl_count)]
    }
}

/// One stage of a pipeline.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub(crate) pos: u32,
    pub(crate) args: Span,
}

/// An operand.
#[derive(Clone, Copy)]
pub(crate) struct Arg {
    pub(crate) pos: u32,
    pub(crate) kind: ArgKind,
}

#[derive(Clone, Copy)]
pub(crate) enum ArgKind {
    Dot,
    Nil,
    Bool(bool),
    /// An index into `File::numbers`, and the stretch of the source.
    Number(u32, Span),
    /// An index into `File::strings`, and the stretch of the source with its quotes.
    String(u32, Span),
    /// `.a.b`: names.
    Field(Span),
    /// `$x.a.b`: variable and names.
    Variable(u32, Span),
    /// An index into `File::functions`, and the stretch of the source.
    Function(u32, Span),
    /// `(…).a.b`: the operand and names.
    Chain(ArgId, Span),
    /// `(…)`
    Pipe(PipeId),
}

/// What a name of a function stands for.
#[derive(Clone, Copy)]
pub(crate) enum Callee {
    Function(&'static Function),
    Builtin(Builtin),
}

/// The functions of text/template itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Html,
    Index,
    Slice,
    Js,
    Len,
    Not,
    Or,
    Print,
    Printf,
    Println,
    Urlquery,
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    Ne,
}

/// A node that a message can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Node(NodeId),
    Pipe(PipeId),
    Command(CommandId),
    Arg(ArgId),
    List(ListId),
}

impl Builtin {
    pub(crate) fn find(name: &[u8]) -> Option<Builtin> {
        Some(match name {
            b"and" => Builtin::And,
            b"call" => Builtin::Call,
            b"html" => Builtin::Html,
            b"index" => Builtin::Index,
            b"slice" => Builtin::Slice,
            b"js" => Builtin::Js,
            b"len" => Builtin::Len,
            b"not" => Builtin::Not,
            b"or" => Builtin::Or,
            b"print" => Builtin::Print,
            b"printf" => Builtin::Printf,
            b"println" => Builtin::Println,
            b"urlquery" => Builtin::Urlquery,
            b"eq" => Builtin::Eq,
            b"ge" => Builtin::Ge,
            b"gt" => Builtin::Gt,
            b"le" => Builtin::Le,
            b"lt" => Builtin::Lt,
            b"ne" => Builtin::Ne,
            _ => return None,
        })
    }
}

impl Tree {
    /// Is there nothing but space and comments?
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Line (from 1) and column (in bytes, from 0) of a position.
    pub fn location(&self, pos: u32) -> (u32, u32) {
        let text = &self.file.text;
        let before = &text[..(pos as usize).min(text.len())];
        let column = memchr::memrchr(b'\n', before).map_or(before.len(), |newline| before.len() - newline - 1);
        (self.file.line(pos), column as u32)
    }

    pub(crate) fn pos(&self, at: At) -> u32 {
        match at {
            At::Node(id) => self.file.nodes[id.0 as usize].pos,
            At::Pipe(id) => self.file.pipes[id.0 as usize].pos,
            At::Command(id) => self.file.commands[id.0 as usize].pos,
            At::Arg(id) => match self.file.args[id.0 as usize] {
                Arg { kind: ArgKind::Pipe(pipe), .. } => self.file.pipes[pipe.0 as usize].pos,
                arg => arg.pos,
            },
            At::List(id) => {
                self.file.nodes.get(self.file.lists[id.0 as usize].nodes.start as usize).map_or(0, |node| node.pos)
            }
        }
    }

    pub(crate) fn source(&self, span: Span) -> &[u8] {
        &self.file.text[span.range()]
    }
}
