//! A seed → the whole life of a cluster: one queue of events on one simulated clock, with faults drawn from the seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_plan::context::Ids;
use masthead_wire::parts::{self, Part};
use masthead_wire::pb::from_agent::Message;
use masthead_wire::report::Hello;

use super::agent::{Agent, Effects};
use super::check::Checker;
use super::control::{Control, ToAgent};
use super::git::Git;
use super::runtime::Turn;
use super::store::{Fault, Store};
use super::trace;
use super::worker::Op;

const START_MS: i64 = 1_800_000_000_000;
/// Agents beat this often (a quarter of the lease that the control plane tells them).
const BEAT_MS: i64 = 10_000;
/// After the last fault all must be as asked within this time; a container that crashed waits up to five minutes.
const SETTLE_MS: i64 = 1_500_000;
/// For so long nothing but leases is written at rest.
const SILENCE_MS: i64 = 30_000;

/// A life that takes more steps turns in a circle.
const STEPS_MAX: u64 = 100_000;

/// What happens next.
enum Ev {
    Control,
    Commit,
    Fault,
    StartControl,
    Dial { node: usize, run: u64 },
    Greets { node: usize, session: u64, hello: Box<Hello> },
    Says { node: usize, session: u64, message: Box<Message> },
    Told { node: usize, session: u64, what: Box<Said> },
    Down { node: usize, session: u64 },
    Beat { node: usize, run: u64 },
    StartAgent { node: usize },
    Op { node: usize, run: u64, uid: String, op: Op },
    Turn { node: usize, uid: String, id: String, turn: Turn },
    PowerOn { node: usize },
    Joined { node: usize },
}

/// What arrives at an agent.
enum Said {
    Part(Part),
    Recall(Vec<String>),
}

/// The connection of a node.
#[derive(Default)]
struct Link {
    session: u64,
    is_up: bool,
    /// Nobody gets through.
    is_cut: bool,
    to_agent_ms: i64,
    to_control_ms: i64,
}

/// What may go wrong in a run.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Containers and nodes fail too, and images are bad.
    pub is_rough: bool,
    /// The store is lost once.
    pub loses_store: bool,
    pub commits: u64,
    pub faults: u64,
}

pub struct World {
    now_ms: i64,
    serial: u64,
    queue: BTreeMap<(i64, u64), Ev>,
    rng: Ids,
    profile: Profile,
    store: Arc<Store>,
    ops: usize,
    born_s: i64,
    control: Option<Control>,
    control_at: Option<i64>,
    agents: Vec<Agent>,
    links: Vec<Link>,
    git: Git,
    check: Checker,
    has_faults: bool,
    faults_left: u64,
    steps: u64,
}

/// What a run did, to see that it did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub steps: u64,
    pub writes: usize,
    pub commits: usize,
    pub digest: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Ids::new(seed ^ 0x6d61_7374);
        let profile = Profile {
            is_rough: seed % 3 == 2,
            loses_store: seed % 4 == 1,
            commits: 2 + rng.below(5),
            faults: rng.below(14),
        };
        let ops = [6, 8, 16, 128][rng.below(4) as usize];
        let store = Store::new(ops);
        let count = 1 + rng.below(3) as usize;
        let mut world = World {
            now_ms: START_MS,
            serial: 0,
            queue: BTreeMap::new(),
            profile,
            check: Checker::new(&store, !profile.is_rough),
            store,
            ops,
            born_s: START_MS / 1000,
            control: None,
            control_at: None,
            agents: Vec::new(),
            links: Vec::new(),
            git: Git::default(),
            has_faults: true,
            faults_left: profile.faults,
            steps: 0,
            rng,
        };
        for index in 0..count {
            let skew_ms = if world.rng.below(4) == 0 { world.rng.below(600_000) as i64 - 300_000 } else { 0 };
            let mut agent = Agent::new(index, skew_ms);
            agent.failures = if profile.is_rough { 8 } else { 0 };
            world.agents.push(agent);
            world.links.push(Link::default());
            let at = world.rng.below(3000) as i64;
            world.after(at, Ev::StartAgent { node: index });
        }
        trace::line(|| format!("seed {seed}: {profile:?}, {count} nodes, {ops} operations a transaction"));
        world.after(0, Ev::StartControl);
        for _ in 0..profile.commits {
            let at = if world.rng.below(3) == 0 { world.rng.below(10_000) } else { world.rng.below(150_000) };
            world.after(at as i64, Ev::Commit);
        }
        for _ in 0..profile.faults {
            let at = world.rng.below(160_000) as i64;
            world.after(at, Ev::Fault);
        }
        world
    }

    fn after(&mut self, after_ms: i64, ev: Ev) {
        self.serial += 1;
        self.queue.insert((self.now_ms + after_ms.max(0), self.serial), ev);
    }

    fn log(&self, text: impl FnOnce() -> String) {
        trace::line(|| format!("{:>9.3} {}", (self.now_ms - START_MS) as f64 / 1000.0, text()));
    }

    /// Runs the whole life; panics where a promise is broken.
    pub fn live(mut self) -> Done {
        self.until(START_MS + 165_000);
        if self.profile.loses_store {
            self.lose_store();
            self.run_ms(20_000);
        }
        self.heal();
        let (rng, now_s) = (&mut self.rng, self.now_ms / 1000);
        self.git.last(rng, now_s);
        self.poke();
        self.settle("after the last commit");
        self.silence();
        self.again();
        let digest = self.rng.bits();
        Done { steps: self.steps, writes: self.check.writes, commits: self.git.commits.len(), digest }
    }

    /// Whatever is restarted or lost now, no container is.
    fn again(&mut self) {
        let (before, ran) = (self.running(), self.ran());
        let choice = self.rng.below(4);
        let lost = choice == 3;
        match choice {
            0 => self.crash_control(),
            1 => (0..self.agents.len()).for_each(|node| self.kill_agent(node)),
            2 => {
                self.crash_control();
                (0..self.agents.len()).for_each(|node| self.kill_agent(node));
            }
            _ => self.lose_store(),
        }
        self.settle("after a restart");
        let after = self.running();
        assert!(before == after, "containers changed through a restart: {before:?} → {after:?}");
        // When the store is lost with several nodes, a job may be back before all of its pods are.
        let again = self.ran();
        assert!(ran == again || lost && self.agents.len() > 1, "jobs ran again through a restart: {ran:?} → {again:?}");
        self.silence();
    }

    /// Ids of all containers of jobs.
    fn ran(&self) -> Vec<String> {
        let pods = self.agents.iter().flat_map(|a| a.runtime.pods.values());
        let all = pods.flat_map(|pod| &pod.containers).filter(|c| c.seen.image.starts_with("job:"));
        all.map(|c| c.seen.id.clone()).collect()
    }

    /// Ids of all containers that run.
    fn running(&self) -> Vec<String> {
        let pods = self.agents.iter().flat_map(|a| a.runtime.pods.values());
        let all = pods
            .flat_map(|pod| &pod.containers)
            .filter(|c| c.seen.phase == masthead_agent::pods::observe::Phase::Running);
        all.map(|c| c.seen.id.clone()).collect()
    }

    fn settle(&mut self, when: &str) {
        let until = self.now_ms + SETTLE_MS;
        let mut why = String::new();
        while self.now_ms < until {
            self.run_ms(5_000);
            match self.check.end(&self.git, &self.agents) {
                Ok(()) if self.is_called_healthy() => return,
                Ok(()) => why = "the newest commit is not called healthy".to_owned(),
                Err(error) => why = error,
            }
        }
        panic!("{when} the end is not what the newest commit asks for: {why}");
    }

    fn is_called_healthy(&self) -> bool {
        let newest = self.git.commits.last().map(|commit| &commit.desired.commit.id);
        self.control.as_ref().zip(newest).is_some_and(|(control, newest)| control.is_healthy(newest))
    }

    fn silence(&mut self) {
        self.run_ms(5_000);
        self.check.written.clear();
        self.run_ms(SILENCE_MS);
        let loud: Vec<&String> = self.check.written.iter().filter(|key| !key.contains("/leases/")).collect();
        assert!(loud.is_empty(), "written at rest: {loud:?}");
        assert!(!self.check.written.is_empty(), "no node renewed its lease");
        self.check.end(&self.git, &self.agents).unwrap_or_else(|why| panic!("at rest: {why}"));
    }

    fn run_ms(&mut self, ms: i64) {
        self.until(self.now_ms + ms);
    }

    fn until(&mut self, at_ms: i64) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > at_ms {
                break;
            }
            let ((now_ms, _), ev) = entry.remove_entry();
            self.now_ms = now_ms;
            self.steps += 1;
            assert!(self.steps < STEPS_MAX, "{STEPS_MAX} steps and no rest");
            let moves = matches!(ev, Ev::Op { .. } | Ev::Turn { .. } | Ev::Fault);
            self.happen(ev);
            let commit = self.control.as_ref().and_then(Control::commit);
            if self.check.look(&self.git, commit, now_ms) || moves {
                self.check.nodes(&self.agents);
            }
            self.poke();
        }
        self.now_ms = at_ms;
    }

    /// Sees to it that the control plane goes on when it has something to do.
    fn poke(&mut self) {
        let Some(control) = &mut self.control else { return };
        for (name, session, what) in control.sent() {
            self.send(&name, session, what);
        }
        let Some(control) = &self.control else { return };
        let behind = control.is_behind(&self.git).then_some(self.now_ms + 1);
        let due = control.due_ms(self.now_ms).into_iter().chain(behind).min();
        let Some(due) = due else { return };
        if self.control_at.is_some_and(|at| at <= due && at > self.now_ms) {
            return;
        }
        let late = if self.has_faults { self.rng.below(8) as i64 } else { 0 };
        self.control_at = Some(due + late);
        self.after(due + late - self.now_ms, Ev::Control);
    }

    fn happen(&mut self, ev: Ev) {
        match ev {
            Ev::Control => {
                self.control_at = None;
                let (git, now_ms) = (&self.git, self.now_ms);
                if let Some(control) = &mut self.control {
                    control.step(git, now_ms);
                }
            }
            Ev::Commit => {
                let (rng, now_s) = (&mut self.rng, self.now_ms / 1000);
                self.git.commit(rng, self.profile.is_rough, now_s);
                self.log(|| {
                    format!(
                        "commit {}: {}",
                        self.git.commits.len() - 1,
                        self.git.commits.last().map_or("", |c| &c.what)
                    )
                });
            }
            Ev::Fault => self.fault(),
            Ev::StartControl => self.start_control(),
            Ev::Dial { node, run } => self.dial(node, run),
            Ev::Greets { node, session, hello } => {
                self.deliver(node, session, |control, name| control.admit(name, session, *hello))
            }
            Ev::Says { node, session, message } => {
                self.deliver(node, session, |control, name| control.hear(name, session, *message))
            }
            Ev::Down { node, session } => {
                let name = self.agents[node].name.clone();
                if let Some(control) = &mut self.control {
                    control.leave(&name, session);
                }
            }
            Ev::Told { node, session, what } => self.told(node, session, *what),
            Ev::Beat { node, run } => self.beat(node, run),
            Ev::StartAgent { node } => self.start_agent(node),
            Ev::Op { node, run, uid, op } => {
                if self.agents[node].run == run && self.agents[node].process.is_some() {
                    let effects = self.agents[node].op(&uid, op, self.now_ms, &mut self.rng);
                    self.effects(node, effects);
                }
            }
            Ev::Turn { node, uid, id, turn } => {
                let agent = &mut self.agents[node];
                let now_ms = self.now_ms + agent.skew_ms;
                if agent.runtime.turn(&uid, &id, turn, now_ms) {
                    let (run, soon) = (agent.run, 1 + self.rng.below(30) as i64);
                    self.after(soon, Ev::Op { node, run, uid, op: Op::News });
                }
            }
            Ev::PowerOn { node } => {
                self.agents[node].is_off = false;
                self.log(|| format!("n{node} is switched on"));
                self.start_agent(node);
            }
            Ev::Joined { node } => {
                self.log(|| format!("n{node} can be reached again"));
                self.links[node].is_cut = false;
            }
        }
    }

    fn deliver(&mut self, node: usize, session: u64, act: impl FnOnce(&mut Control, &str)) {
        if self.links[node].session == session
            && let Some(control) = &mut self.control
        {
            act(control, &self.agents[node].name);
        }
    }

    fn start_control(&mut self) {
        if self.control.is_none() {
            self.log(|| "the control plane starts".to_owned());
            let seed = self.rng.bits();
            self.control = Some(Control::start(&self.store, self.born_s, self.now_ms, seed));
            self.control_at = None;
        }
    }

    fn start_agent(&mut self, node: usize) {
        if self.agents[node].process.is_some() || self.agents[node].is_off {
            return;
        }
        self.log(|| format!("the agent of n{node} starts"));
        let effects = self.agents[node].start(self.now_ms, &mut self.rng);
        self.effects(node, effects);
        let run = self.agents[node].run;
        self.after(1, Ev::Dial { node, run });
    }

    fn dial(&mut self, node: usize, run: u64) {
        if self.agents[node].run != run || self.agents[node].process.is_none() || self.links[node].is_up {
            return;
        }
        if self.control.is_none() || self.links[node].is_cut {
            let later = 500 + self.rng.below(3000) as i64;
            return self.after(later, Ev::Dial { node, run });
        }
        let Some(hello) = self.agents[node].hello() else { return };
        let link = &mut self.links[node];
        link.session += 1;
        link.is_up = true;
        (link.to_agent_ms, link.to_control_ms) = (0, 0);
        let session = link.session;
        self.log(|| format!("n{node} connects, session {session}, holds {:?}", hello.held));
        let at = self.up(node);
        self.after(at, Ev::Greets { node, session, hello: Box::new(hello) });
        self.after(1, Ev::Beat { node, run });
        self.speak(node);
    }

    /// After how long the next message to the control plane arrives: never before an earlier one.
    fn up(&mut self, node: usize) -> i64 {
        let at = (self.now_ms + self.lag()).max(self.links[node].to_control_ms);
        self.links[node].to_control_ms = at;
        at - self.now_ms
    }

    fn lag(&mut self) -> i64 {
        1 + match self.has_faults {
            true if self.rng.below(12) == 0 => self.rng.below(3000) as i64,
            _ => self.rng.below(8) as i64,
        }
    }

    /// Sends what the agent has to say; a fault may double it.
    fn speak(&mut self, node: usize) {
        if !self.links[node].is_up {
            return;
        }
        let session = self.links[node].session;
        for message in self.agents[node].speak() {
            let copies = if self.has_faults && self.rng.below(30) == 0 { 2 } else { 1 };
            let answer = matches!(message, Message::Ack(_) | Message::Heartbeat(_));
            if self.has_faults && answer && self.rng.below(40) == 0 {
                continue;
            }
            for _ in 0..copies {
                let at = self.up(node);
                self.after(at, Ev::Says { node, session, message: Box::new(message.clone()) });
            }
        }
    }

    /// Sends what the control plane has to say; parts may be lost, doubled or late.
    fn send(&mut self, name: &str, session: u64, what: ToAgent) {
        let Some(node) = self.agents.iter().position(|a| a.name == name) else { return };
        let said: Vec<Said> = match what {
            ToAgent::Recall(uids) => vec![Said::Recall(uids)],
            ToAgent::Step(step) => {
                parts::split(&step).map(|p| Said::Part(Part::try_from(p).expect("our own part"))).collect()
            }
        };
        for what in said {
            let is_part = matches!(what, Said::Part(_));
            if self.has_faults && is_part && self.rng.below(40) == 0 {
                self.log(|| format!("a part to n{node} is lost"));
                continue;
            }
            if let Said::Part(part) = &what
                && self.has_faults
                && self.rng.below(20) == 0
            {
                let again = self.rng.below(4000) as i64;
                self.after(again, Ev::Told { node, session, what: Box::new(Said::Part(part.clone())) });
            }
            let at = (self.now_ms + self.lag()).max(self.links[node].to_agent_ms);
            self.links[node].to_agent_ms = at;
            self.after(at - self.now_ms, Ev::Told { node, session, what: Box::new(what) });
        }
    }

    fn told(&mut self, node: usize, session: u64, what: Said) {
        if self.links[node].session != session || !self.links[node].is_up {
            return;
        }
        match what {
            Said::Recall(uids) => self.agents[node].recall(&uids),
            Said::Part(part) => {
                let effects = self.agents[node].receive(part, self.now_ms, &mut self.rng);
                self.effects(node, effects);
            }
        }
        self.speak(node);
    }

    fn beat(&mut self, node: usize, run: u64) {
        if self.agents[node].run != run || !self.links[node].is_up {
            return;
        }
        if let Some(process) = &mut self.agents[node].process {
            process.outbox.beat();
            self.speak(node);
            // One clock of beats a session: a new one begins with the next.
            self.after(BEAT_MS, Ev::Beat { node, run });
        }
    }

    fn effects(&mut self, node: usize, effects: Effects) {
        let run = self.agents[node].run;
        for (after, uid, op) in effects.ops {
            self.after(after, Ev::Op { node, run, uid, op });
        }
        for (after, uid, id, turn) in effects.turns {
            self.after(after, Ev::Turn { node, uid, id, turn });
        }
        self.speak(node);
    }

    fn cut(&mut self, node: usize) {
        let link = &mut self.links[node];
        if !std::mem::take(&mut link.is_up) {
            return;
        }
        let session = link.session;
        let (noticed, again) = (self.rng.below(4000) as i64, 100 + self.rng.below(2000) as i64);
        self.after(noticed, Ev::Down { node, session });
        let run = self.agents[node].run;
        self.after(again, Ev::Dial { node, run });
    }

    fn crash_control(&mut self) {
        self.log(|| "the control plane is killed".to_owned());
        self.control = None;
        self.control_at = None;
        (0..self.agents.len()).for_each(|node| self.cut(node));
        let later = 50 + self.rng.below(6000) as i64;
        self.after(later, Ev::StartControl);
    }

    fn kill_agent(&mut self, node: usize) {
        if self.agents[node].process.take().is_some() {
            self.log(|| format!("the agent of n{node} is killed"));
            self.cut(node);
            let later = 50 + self.rng.below(6000) as i64;
            self.after(later, Ev::StartAgent { node });
        }
    }

    fn lose_store(&mut self) {
        self.crash_control();
        self.log(|| "the store is deleted".to_owned());
        self.store = Store::new(self.ops);
        self.check.replaced(&self.store);
        // Made when the control plane starts again, a moment later at least.
        self.now_ms += 1500;
        self.born_s = self.now_ms / 1000;
    }

    fn power_off(&mut self, node: usize) {
        self.log(|| format!("n{node} loses its power"));
        self.agents[node].process = None;
        self.agents[node].is_off = true;
        let now_ms = self.now_ms + self.agents[node].skew_ms;
        let forgets = self.rng.below(2) == 0;
        self.agents[node].runtime.power_off(now_ms, forgets);
        self.cut(node);
        let later = if self.rng.below(2) == 0 { 10_000 } else { 500_000 };
        let later = 1000 + self.rng.below(later) as i64;
        self.after(later, Ev::PowerOn { node });
    }

    fn fault(&mut self) {
        self.faults_left -= 1;
        let node = self.rng.below(self.agents.len() as u64) as usize;
        match self.rng.below(if self.profile.is_rough { 14 } else { 9 }) {
            0 | 1 => self.crash_control(),
            2 | 3 => self.kill_agent(node),
            4 => {
                self.log(|| format!("the session of n{node} breaks"));
                self.cut(node);
            }
            5 => {
                self.log(|| format!("n{node} cannot be reached"));
                self.links[node].is_cut = true;
                self.cut(node);
                let longest = if self.profile.is_rough { 400_000 } else { 30_000 };
                let later = self.rng.below(longest) as i64;
                self.after(later, Ev::Joined { node });
            }
            6 | 7 => {
                let fault = if self.rng.below(2) == 0 { Fault::Refused } else { Fault::Unanswered };
                self.log(|| format!("the next transaction is {fault:?}"));
                self.store.fail_next(fault);
            }
            8 => {
                self.crash_control();
                self.kill_agent(node);
            }
            9 => self.power_off(node),
            _ => self.disturb(node),
        }
    }

    /// A container ends by itself, or does not answer for a while.
    fn disturb(&mut self, node: usize) {
        let running: Vec<(String, String)> = self.agents[node]
            .runtime
            .pods
            .iter()
            .flat_map(|(uid, pod)| pod.containers.iter().map(move |c| (uid, c)))
            .filter(|(_, c)| c.seen.phase == masthead_agent::pods::observe::Phase::Running)
            .map(|(uid, c)| (uid.clone(), c.seen.id.clone()))
            .collect();
        if running.is_empty() {
            return;
        }
        let (uid, id) = running[self.rng.below(running.len() as u64) as usize].clone();
        let turn = match self.rng.below(3) {
            0 => Turn::Ends(137),
            1 => Turn::Ends(1),
            _ => Turn::Serves(false),
        };
        self.log(|| format!("n{node}: container {id}: {turn:?}"));
        self.after(0, Ev::Turn { node, uid: uid.clone(), id: id.clone(), turn });
        if turn == Turn::Serves(false) {
            let later = self.rng.below(20_000) as i64;
            self.after(later, Ev::Turn { node, uid, id, turn: Turn::Serves(true) });
        }
    }

    /// No more faults; what was broken is mended.
    fn heal(&mut self) {
        self.log(|| "no more faults".to_owned());
        self.has_faults = false;
        for node in 0..self.agents.len() {
            self.links[node].is_cut = false;
            self.agents[node].failures = 0;
            self.agents[node].is_off = false;
            self.start_agent(node);
        }
    }
}
