//! Puts the nodes of a template into their flat vectors while it is parsed.
use crate::parse::number::Number;
use crate::parse::tree::{Arg, ArgId, Callee, Command, List, ListId, Node, NodeKind, Pipe, PipeId, Span, Tree};
use crate::string::Str;
use std::sync::Arc;

/// A template in the making.
#[derive(Default)]
pub(crate) struct Builder {
    lists: Vec<List>,
    nodes: Vec<Node>,
    pipes: Vec<Pipe>,
    commands: Vec<Command>,
    args: Vec<Arg>,
    names: Vec<Str>,
    variables: Vec<Str>,
    numbers: Vec<Number>,
    strings: Vec<Str>,
    functions: Vec<Callee>,
    root_redeclared: bool,
}

/// A pipeline in the making: declared variables, and commands with their positions.
#[derive(Default)]
pub(crate) struct PipeParts {
    pub(crate) pos: u32,
    pub(crate) assign: bool,
    pub(crate) decl: Vec<u32>,
    pub(crate) commands: Vec<(u32, Vec<Arg>)>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder { variables: vec![Str::from("$")], ..Builder::default() }
    }

    pub(crate) fn list(&mut self, nodes: Vec<(u32, NodeKind)>, source: &[u8]) -> ListId {
        let empty = nodes.iter().all(|(_, kind)| match kind {
            NodeKind::Text(span) => is_space(&source[span.range()]),
            _ => false,
        });
        let start = self.nodes.len() as u32;
        self.nodes.extend(nodes.into_iter().map(|(pos, kind)| Node { pos, kind }));
        self.lists.push(List { nodes: Span { start, end: self.nodes.len() as u32 }, empty });
        ListId(self.lists.len() as u32 - 1)
    }

    pub(crate) fn pipe(&mut self, parts: PipeParts) -> PipeId {
        let start = self.commands.len() as u32;
        for (pos, args) in parts.commands {
            let first = self.args.len() as u32;
            self.args.extend(args);
            self.commands.push(Command { pos, args: Span { start: first, end: self.args.len() as u32 } });
        }
        let mut decl = [0; 2];
        for (slot, variable) in decl.iter_mut().zip(&parts.decl) {
            *slot = *variable;
        }
        self.root_redeclared |= !parts.assign && parts.decl.contains(&0);
        self.pipes.push(Pipe {
            pos: parts.pos,
            assign: parts.assign,
            decl_count: parts.decl.len().min(2) as u8,
            decl,
            commands: Span { start, end: self.commands.len() as u32 },
        });
        PipeId(self.pipes.len() as u32 - 1)
    }

    pub(crate) fn pipe_pos(&self, id: PipeId) -> u32 {
        self.pipes[id.0 as usize].pos
    }

    pub(crate) fn arg(&mut self, arg: Arg) -> ArgId {
        self.args.push(arg);
        ArgId(self.args.len() as u32 - 1)
    }

    /// A chain of names: those of an old chain, which was the last one made, and more.
    pub(crate) fn names(&mut self, old: Option<Span>, more: &[Vec<u8>]) -> Span {
        let start = self.names.len() as u32;
        if let Some(old) = old {
            let copies: Vec<Str> = self.names[old.range()].to_vec();
            self.names.extend(copies);
        }
        self.names.extend(more.iter().map(|name| Str::new(name)));
        Span { start, end: self.names.len() as u32 }
    }

    pub(crate) fn find_variable(&self, name: &[u8]) -> Option<u32> {
        self.variables.iter().position(|known| known.as_bytes() == name).map(|at| at as u32)
    }

    pub(crate) fn variable(&mut self, name: &[u8]) -> u32 {
        self.find_variable(name).unwrap_or_else(|| {
            self.variables.push(Str::new(name));
            self.variables.len() as u32 - 1
        })
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

    pub(crate) fn finish(self, name: Str, parse_name: Str, text: Arc<[u8]>, root: ListId) -> Tree {
        Tree {
            name,
            parse_name,
            text,
            root,
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
            root_redeclared: self.root_redeclared,
        }
    }
}

/// Nothing but Unicode's white space?
fn is_space(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(char::is_whitespace))
}
