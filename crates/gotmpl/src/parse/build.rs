//! Puts the nodes of a template into their flat vectors while it is parsed.
use crate::parse::number::Number;
use crate::parse::tree::{Arg, ArgId, Callee, Command, File, List, ListId, Name, Node, NodeKind, Pipe, PipeId, Span};
use crate::string::Str;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

/// The templates of a file in the making.
#[derive(Default)]
pub(crate) struct Builder {
    lists: Vec<List>,
    nodes: Vec<Node>,
    pipes: Vec<Pipe>,
    commands: Vec<Command>,
    args: Vec<Arg>,
    names: Vec<Name>,
    variables: Vec<Str>,
    numbers: Vec<Number>,
    strings: Vec<Str>,
    functions: Vec<Callee>,
}

/// A pipeline in the making: declared variables. Its commands wait in a stack of their own.
#[derive(Default)]
pub(crate) struct PipeParts {
    pub(crate) pos: u32,
    pub(crate) assign: bool,
    pub(crate) decl_count: u8,
    pub(crate) decl: [u32; 2],
}

impl Builder {
    /// With room for as many actions.
    pub(crate) fn new(actions: usize) -> Builder {
        Builder {
            lists: Vec::with_capacity(actions / 2 + 1),
            nodes: Vec::with_capacity(2 * actions + 1),
            pipes: Vec::with_capacity(actions),
            commands: Vec::with_capacity(actions + actions / 2),
            args: Vec::with_capacity(2 * actions),
            names: Vec::with_capacity(2 * actions),
            variables: vec![Str::from("$")],
            strings: Vec::with_capacity(actions / 2),
            functions: Vec::with_capacity(actions),
            ..Builder::default()
        }
    }

    pub(crate) fn list(&mut self, nodes: &[Node]) -> ListId {
        let start = self.nodes.len() as u32;
        self.nodes.extend_from_slice(nodes);
        self.lists.push(List { nodes: Span { start, end: self.nodes.len() as u32 } });
        ListId(self.lists.len() as u32 - 1)
    }

    pub(crate) fn command(&mut self, pos: u32, args: &[Arg]) -> Command {
        let start = self.args.len() as u32;
        self.args.extend_from_slice(args);
        Command { pos, args: Span { start, end: self.args.len() as u32 } }
    }

    /// The function or operand that a command begins with.
    pub(crate) fn first_arg(&self, command: &Command) -> Arg {
        self.args[command.args.start as usize]
    }

    pub(crate) fn pipe(&mut self, parts: PipeParts, commands: &[Command]) -> PipeId {
        let start = self.commands.len() as u32;
        self.commands.extend_from_slice(commands);
        let PipeParts { pos, assign, decl_count, decl } = parts;
        let commands = Span { start, end: self.commands.len() as u32 };
        self.pipes.push(Pipe { pos, assign, decl_count, decl, commands });
        PipeId(self.pipes.len() as u32 - 1)
    }

    pub(crate) fn pipe_pos(&self, id: PipeId) -> u32 {
        self.pipes[id.0 as usize].pos
    }

    pub(crate) fn arg(&mut self, arg: Arg) -> ArgId {
        self.args.push(arg);
        ArgId(self.args.len() as u32 - 1)
    }

    pub(crate) fn variable(&mut self, name: &[u8]) -> u32 {
        let known = self.variables.iter().position(|known| known.as_bytes() == name).map(|at| at as u32);
        known.unwrap_or_else(|| {
            self.variables.push(Str::new(name));
            self.variables.len() as u32 - 1
        })
    }

    /// Is this the variable's name?
    pub(crate) fn is_variable(&self, id: u32, name: &[u8]) -> bool {
        self.variables[id as usize].as_bytes() == name
    }

    /// Keeps the name of a field; gives where the next one comes.
    pub(crate) fn name(&mut self, name: &[u8]) -> u32 {
        self.names.push(Name { text: Str::new(name), hint: AtomicU32::new(0) });
        self.next_name()
    }

    pub(crate) fn next_name(&self) -> u32 {
        self.names.len() as u32
    }

    pub(crate) fn number(&mut self, number: Number) -> u32 {
        self.numbers.push(number);
        self.numbers.len() as u32 - 1
    }

    pub(crate) fn string(&mut self, text: Str) -> u32 {
        self.strings.push(text);
        self.strings.len() as u32 - 1
    }

    pub(crate) fn function(&mut self, callee: Callee) -> u32 {
        self.functions.push(callee);
        self.functions.len() as u32 - 1
    }

    /// Is there nothing but space in a list?
    pub(crate) fn is_empty(&self, list: ListId, source: &[u8]) -> bool {
        self.nodes[self.lists[list.0 as usize].nodes.range()].iter().all(|node| match &node.kind {
            NodeKind::Text(span) => is_space(&source[span.range()]),
            _ => false,
        })
    }

    pub(crate) fn finish(self, name: Str, text: Arc<[u8]>) -> File {
        File {
            name,
            text,
            lists: self.lists,
            nodes: self.nodes,
            pipes: self.pipes,
            commands: self.commands,
            args: self.args,
            names: self.names,
            variables: self.variables,
            numbers: self.numbers,
            strings: self.strings,
            functions: self.functions,
            newlines: OnceLock::new(),
        }
    }
}

/// Nothing but Unicode's white space?
fn is_space(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    match text.first() {
        None => true,
        // A vertical tab is space to Go, but not to Rust's ASCII.
        Some(byte) if byte.is_ascii() && *byte != 0x0b => false,
        Some(_) => std::str::from_utf8(text).is_ok_and(|text| text.chars().all(char::is_whitespace)),
    }
}
