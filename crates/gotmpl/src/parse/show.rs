//! Nodes of a parsed template as the text that Go's messages show for them.
use crate::parse::tree::{ArgId, ArgKind, At, Branch, CommandId, ListId, NodeId, NodeKind, PipeId, Span, Tree};
use crate::quote;

/// Deeper than this a pipeline in parentheses is not shown; keeps a message's cost and stack bounded.
const DEPTH_MAX: u32 = 200;
/// A message shows no more of a node than this.
const BYTES_MAX: usize = 1 << 16;

impl Tree {
    /// What Go's `Node.String` gives.
    pub(crate) fn show(&self, at: At) -> Vec<u8> {
        let mut show = Show { tree: self, out: Vec::new(), depth: 0 };
        match at {
            At::Node(id) => show.node(id),
            At::Pipe(id) => show.pipe(id),
            At::Command(id) => show.command(id),
            At::Arg(id) => show.arg(id, false),
            At::List(id) => show.list(id),
        }
        show.out
    }
}

struct Show<'t> {
    tree: &'t Tree,
    out: Vec<u8>,
    depth: u32,
}

impl Show<'_> {
    fn text(&mut self, text: &[u8]) {
        if self.out.len() < BYTES_MAX {
            self.out.extend_from_slice(text);
        }
    }

    fn deeper(&mut self, write: impl FnOnce(&mut Self)) {
        if self.depth == DEPTH_MAX || self.out.len() >= BYTES_MAX {
            return self.text(b"...");
        }
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn list(&mut self, id: ListId) {
        let nodes = self.tree.file.lists[id.0 as usize].nodes;
        self.deeper(|show| (nodes.start..nodes.end).for_each(|node| show.node(NodeId(node))));
    }

    fn node(&mut self, id: NodeId) {
        match &self.tree.file.nodes[id.0 as usize].kind {
            NodeKind::Text(span) => self.text(self.tree.source(*span)),
            NodeKind::Action(pipe) => {
                self.text(b"{{");
                self.pipe(*pipe);
                self.text(b"}}");
            }
            NodeKind::If(branch) => self.branch(b"{{if ", *branch),
            NodeKind::With(branch) => self.branch(b"{{with ", *branch),
            NodeKind::Range(branch) => self.branch(b"{{range ", *branch),
            NodeKind::Template(call) => {
                self.text(b"{{template ");
                self.text(quote::quote(self.tree.file.strings[call.name as usize].as_bytes()).as_bytes());
                if let Some(pipe) = call.pipe {
                    self.text(b" ");
                    self.pipe(pipe);
                }
                self.text(b"}}");
            }
            NodeKind::Break => self.text(b"{{break}}"),
            NodeKind::Continue => self.text(b"{{continue}}"),
        }
    }

    fn branch(&mut self, open: &[u8], branch: Branch) {
        self.text(open);
        self.pipe(branch.pipe);
        self.text(b"}}");
        self.list(branch.list);
        if let Some(list) = branch.otherwise {
            self.text(b"{{else}}");
            self.list(list);
        }
        self.text(b"{{end}}");
    }

    fn pipe(&mut self, id: PipeId) {
        self.deeper(|show| show.pipe_body(id));
    }

    fn pipe_body(&mut self, id: PipeId) {
        let pipe = &self.tree.file.pipes[id.0 as usize];
        for (at, variable) in pipe.decl().iter().enumerate() {
            if at > 0 {
                self.text(b", ");
            }
            self.text(self.tree.file.variables[*variable as usize].as_bytes());
        }
        if pipe.decl_count > 0 {
            self.text(if pipe.assign { b" = " } else { b" := " });
        }
        for command in pipe.commands.start..pipe.commands.end {
            if command > pipe.commands.start {
                self.text(b" | ");
            }
            self.command(CommandId(command));
        }
    }

    fn command(&mut self, id: CommandId) {
        let args = self.tree.file.commands[id.0 as usize].args;
        for arg in args.start..args.end {
            if arg > args.start {
                self.text(b" ");
            }
            self.arg(ArgId(arg), true);
        }
    }

    fn arg(&mut self, id: ArgId, parens: bool) {
        match self.tree.file.args[id.0 as usize].kind {
            ArgKind::Dot => self.text(b"."),
            ArgKind::Nil => self.text(b"nil"),
            ArgKind::Bool(true) => self.text(b"true"),
            ArgKind::Bool(false) => self.text(b"false"),
            ArgKind::Number(_, span) | ArgKind::String(_, span) | ArgKind::Function(_, span) => {
                self.text(self.tree.source(span));
            }
            ArgKind::Field(names) => self.names(names),
            ArgKind::Variable(variable, names) => {
                self.text(self.tree.file.variables[variable as usize].as_bytes());
                self.names(names);
            }
            ArgKind::Chain(operand, names) => {
                self.arg(operand, true);
                self.names(names);
            }
            ArgKind::Pipe(pipe) if parens => {
                self.text(b"(");
                self.pipe(pipe);
                self.text(b")");
            }
            ArgKind::Pipe(pipe) => self.pipe(pipe),
        }
    }

    fn names(&mut self, names: Span) {
        for name in &self.tree.file.names[names.range()] {
            self.text(b".");
            self.text(name.text.as_bytes());
        }
    }
}
