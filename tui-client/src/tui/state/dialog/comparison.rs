//! The comparison of two trees, and the sync that is planned from it.

use std::{collections::BTreeSet, sync::Arc};

pub(crate) use ferry_client::sync::Why;
use ferry_client::sync::{Cause, Doubt, Plan};
use ferry_shared::{entry::Kind, path::RemotePath};

use super::ListView;
use crate::tui::state::{
    problem::Problem,
    ticket::Ticket,
    trees::{Planned, Trees},
};

/// The step that a comparison waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Both trees are listed.
    Listing,
    /// Contents are compared.
    Contents,
    /// The entries to be deleted are looked at once more.
    Deletions,
    /// The plan is there.
    Ready,
    /// It failed.
    Failed,
}

/// The figures of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Steps {
    /// Entries listed so far at the source and the target.
    pub(crate) listed: (u64, u64),
    /// Answered requests, and all of them.
    pub(crate) answered: (u64, u64),
}

/// The statement of a line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Only the source has it.
    New,
    /// Both have it, and they differ.
    Changed(Why),
    /// Only the target has it.
    OnlyThere,
    /// It cannot be made equal, for the problem of this number.
    Problem(usize),
}

/// The kinds of lines that can be shown alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// New entries.
    New,
    /// Changed ones.
    Changed,
    /// Those that only the target has.
    OnlyThere,
    /// Those that cannot be made equal.
    Problem,
    /// Those that the person left out.
    LeftOut,
}

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The path below both trees.
    pub(crate) path: RemotePath,
    /// The kind of the entry, where it is known.
    pub(crate) kind: Option<Kind>,
    /// Its size.
    pub(crate) size: u64,
    /// Its statement.
    pub(crate) finding: Finding,
}

/// The entries of a comparison that are not left out, and the number of those that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// Only at the source.
    pub(crate) new: Sum,
    /// At both ends, with a difference.
    pub(crate) changed: Sum,
    /// Only at the target.
    pub(crate) only_there: Sum,
    /// Left out by the person.
    pub(crate) left_out: u64,
}

/// Some entries and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    /// Entries.
    pub(crate) entries: u64,
    /// The bytes of the files among them.
    pub(crate) bytes: u64,
}

/// The comparison of two trees.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The trees.
    pub(crate) trees: Trees,
    /// Names the task that compares them, and its answers.
    pub(crate) id: Ticket,
    /// Whether contents are compared instead of dates.
    pub(crate) checksum: bool,
    /// Whether the sync deletes what only the target has.
    pub(crate) deletes: bool,
    /// The step that it waits for.
    pub(crate) step: Step,
    /// The figures of the step.
    pub(crate) steps: Steps,
    /// The plan, with all deletions.
    pub(crate) plan: Option<Planned>,
    /// Whether the versions of what would be deleted are known.
    pub(crate) seen: bool,
    /// All lines, by their paths.
    pub(crate) lines: Vec<Line>,
    /// Their sums, which a drawing does not compute anew.
    pub(crate) sums: Sums,
    /// The numbers of the lines that are shown.
    pub(crate) shown: Vec<usize>,
    /// The lines that are shown alone.
    pub(crate) group: Option<Group>,
    /// The paths that the sync leaves out.
    pub(crate) left_out: BTreeSet<RemotePath>,
    /// The cursor.
    pub(crate) view: ListView,
    /// Why it failed.
    pub(crate) problem: Option<Problem>,
}

impl Comparison {
    /// A comparison that just began.
    pub(crate) fn new(trees: Trees, id: Ticket) -> Self {
        Self {
            trees,
            id,
            checksum: false,
            deletes: false,
            step: Step::Listing,
            steps: Steps::default(),
            plan: None,
            seen: false,
            lines: Vec::new(),
            sums: Sums::default(),
            shown: Vec::new(),
            group: None,
            left_out: BTreeSet::new(),
            view: ListView::default(),
            problem: None,
        }
    }

    /// Begins again, with the same choices.
    pub(crate) fn again(&mut self, id: Ticket) {
        let (checksum, deletes) = (self.checksum, self.deletes);
        let left_out = std::mem::take(&mut self.left_out);
        *self = Self { checksum, deletes, left_out, ..Self::new(self.trees.clone(), id) };
    }

    /// Takes a plan, and keeps the cursor on its line.
    pub(crate) fn take(&mut self, plan: Planned) {
        let here = self.current().map(|line| line.path.clone());
        self.lines = lines(&plan);
        self.plan = Some(plan);
        self.sum();
        self.arrange();
        let at = here.and_then(|path| self.shown.iter().position(|at| self.lines[*at].path == path));
        self.view.cursor = at.unwrap_or(0);
    }

    /// Chooses the lines that are shown; all of them where a group has none.
    pub(crate) fn arrange(&mut self) {
        let all = 0..self.lines.len();
        let shown = |group: Group| all.clone().filter(|at| self.is_in(group, &self.lines[*at])).collect::<Vec<_>>();
        self.shown = self.group.map_or_else(|| all.clone().collect(), shown);
        if self.shown.is_empty() {
            (self.group, self.shown) = (None, all.collect());
        }
        self.view.step(0, self.shown.len());
    }

    /// The next group that has lines, or none after the last.
    pub(crate) fn next_group(&self) -> Option<Group> {
        let groups = [Group::New, Group::Changed, Group::OnlyThere, Group::Problem, Group::LeftOut];
        let at = self.group.and_then(|group| groups.iter().position(|other| *other == group));
        let rest = groups.into_iter().skip(at.map_or(0, |at| at + 1));
        rest.into_iter().find(|group| self.lines.iter().any(|line| self.is_in(*group, line)))
    }

    fn is_in(&self, group: Group, line: &Line) -> bool {
        match (group, line.finding) {
            (Group::LeftOut, finding) => !matches!(finding, Finding::Problem(_)) && self.is_left_out(line),
            (Group::New, Finding::New)
            | (Group::Changed, Finding::Changed(_))
            | (Group::OnlyThere, Finding::OnlyThere)
            | (Group::Problem, Finding::Problem(_)) => true,
            _ => false,
        }
    }

    /// The line of the cursor.
    pub(crate) fn current(&self) -> Option<&Line> {
        self.lines.get(*self.shown.get(self.view.cursor)?)
    }

    /// Whether a line is left out, by itself or with a folder around it.
    pub(crate) fn is_left_out(&self, line: &Line) -> bool {
        !self.left_out.is_empty() && (self.left_out.contains(&line.path) || self.is_inside_left_out(line))
    }

    /// Whether a folder around a line is left out.
    pub(crate) fn is_inside_left_out(&self, line: &Line) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.is_inside(&line.path, &self.left_out))
    }

    /// The plan to carry out: without what was left out, and with deletions only if they were chosen.
    pub(crate) fn chosen(&self) -> Option<Planned> {
        let plan = self.plan.as_ref()?.without(&self.left_out);
        let plan = if self.deletes && self.seen { plan } else { plan.without_deletions() };
        Some(Planned(Arc::new(plan)))
    }

    /// Leaves a path out of the sync, or takes it in again.
    pub(crate) fn leave_out(&mut self, path: RemotePath) {
        if !self.left_out.remove(&path) {
            self.left_out.insert(path);
        }
        self.sum();
    }

    fn sum(&mut self) {
        let mut sums = Sums::default();
        for line in &self.lines {
            let sum = match line.finding {
                _ if self.is_left_out(line) => {
                    sums.left_out += 1;
                    continue;
                }
                Finding::New => &mut sums.new,
                Finding::Changed(_) => &mut sums.changed,
                Finding::OnlyThere => &mut sums.only_there,
                Finding::Problem(_) => continue,
            };
            sum.entries += 1;
            sum.bytes = sum.bytes.saturating_add(if line.kind == Some(Kind::File) { line.size } else { 0 });
        }
        self.sums = sums;
    }

    /// The cause of a problem.
    pub(crate) fn cause(&self, number: usize) -> Option<&Cause> {
        self.plan.as_ref()?.problems.get(number).map(|problem| &problem.cause)
    }
}

/// The lines of a plan, by their paths.
fn lines(plan: &Plan) -> Vec<Line> {
    let copies = plan.copies.iter().chain(&plan.blocked).map(|(path, copy)| Line {
        path: path.clone(),
        kind: Some(copy.entry.kind),
        size: copy.entry.size,
        finding: if copy.why == Why::New { Finding::New } else { Finding::Changed(copy.why) },
    });
    let deletions = plan.deletions.iter().map(|deletion| Line {
        path: deletion.path.clone(),
        kind: Some(deletion.entry.kind),
        size: deletion.entry.size,
        finding: Finding::OnlyThere,
    });
    let problems = plan.problems.iter().enumerate().map(|(number, problem)| Line {
        path: problem.path.clone(),
        kind: None,
        size: 0,
        finding: Finding::Problem(number),
    });
    let mut lines: Vec<Line> = copies.chain(deletions).chain(problems).collect();
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    lines
}

/// Why a person is asked once more before a sync deletes.
pub(crate) fn doubt(doubt: Doubt) -> String {
    let entries = |count| crate::human::count(count, "entry", "entries");
    match doubt {
        Doubt::EmptySource { deletions } => {
            format!("There is no file at the source, and {} at the target would be deleted.", entries(deletions))
        }
        Doubt::Many { deletions, of, .. } => {
            format!("{} of {of} at the target would be deleted: more than half.", entries(deletions))
        }
    }
}
