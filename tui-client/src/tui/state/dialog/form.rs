//! Forms: fields to fill in, and their purpose.

use ferry_shared::name::Name;
use zeroize::Zeroize as _;

use crate::tui::{
    keymap::Key,
    state::{field::Field, place::Place, side::Side, ticket::Ticket},
};

/// The value of a field.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text.
    Text(Field),
    /// Text that is not shown, and wiped afterwards.
    Secret(Field),
}

/// A field with its label.
#[derive(Debug, Clone)]
pub(crate) struct FormField {
    /// The label.
    pub(crate) label: &'static str,
    /// The value.
    pub(crate) value: Value,
    /// The folder in which a path begins that is typed here; `None` if this is not a path.
    pub(crate) base: Option<Place>,
}

/// A path that is being completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completing {
    /// The request that lists the folder.
    pub(crate) ticket: Ticket,
    /// The text before the name to complete, and the beginning of that name.
    pub(crate) typed: (String, String),
    /// The names so far that begin like it, and whether they are of folders.
    pub(crate) names: Vec<(String, bool)>,
}

/// The purpose of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Connect to an address that is typed.
    Connect,
    /// Save a site; the name it had before.
    Site(Option<String>),
    /// Log in.
    Password,
    /// Make an account.
    Register,
    /// Make a folder here.
    NewFolder(Side),
    /// Rename an entry here.
    Rename(Side, Name),
    /// Go to a path.
    GoTo(Side),
    /// Mark, or unmark, the entries that match a pattern.
    Mark(Side, bool),
    /// Search below a folder.
    Search(Side),
    /// Choose another target of the copy plan below.
    Target,
    /// Choose another name for the entry of the copy plan below.
    As,
    /// Make a symbolic link in this folder.
    Link(Place),
    /// Set the permissions of the chosen entries.
    Permissions(Side),
    /// Set the speed limit.
    Speed,
}

/// Fields to fill in.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    /// The purpose.
    pub(crate) purpose: Purpose,
    /// The title.
    pub(crate) title: String,
    /// Lines above the fields.
    pub(crate) notes: Vec<String>,
    /// The fields.
    pub(crate) fields: Vec<FormField>,
    /// The index of the field that has the cursor.
    pub(crate) focus: usize,
    /// The error in the fields.
    pub(crate) fault: Option<String>,
    /// Whether the password is to be put into the keyring; `None` where it cannot be.
    pub(crate) remember: Option<bool>,
    /// The completion of a path that waits for its folder.
    pub(crate) completing: Option<Completing>,
    /// The names that a path could go on with.
    pub(crate) choices: Vec<String>,
}

impl Form {
    /// A form without fields yet.
    pub(crate) fn new(purpose: Purpose, title: impl Into<String>) -> Self {
        Self {
            purpose,
            title: title.into(),
            notes: Vec::new(),
            fields: Vec::new(),
            focus: 0,
            fault: None,
            remember: None,
            completing: None,
            choices: Vec::new(),
        }
    }

    /// With a line above the fields.
    pub(crate) fn note(mut self, line: impl Into<String>) -> Self {
        self.notes.push(line.into());
        self
    }

    /// The choice about the keyring, as a line.
    pub(crate) fn remember_line(&self) -> Option<String> {
        let chosen = if self.remember? { "yes" } else { "no" };
        Some(format!("Remember it in the keyring (Ctrl-R): {chosen}"))
    }

    /// With a text field.
    pub(crate) fn text(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.fields.push(FormField { label, value: Value::Text(Field::new(text)), base: None });
        self
    }

    /// With a field for a path, which Tab completes; a relative one begins at `base`.
    pub(crate) fn path(mut self, label: &'static str, text: impl Into<String>, base: Place) -> Self {
        self.fields.push(FormField { label, value: Value::Text(Field::new(text)), base: Some(base) });
        self
    }

    /// With a field for a password.
    pub(crate) fn secret(mut self, label: &'static str) -> Self {
        self.fields.push(FormField { label, value: Value::Secret(Field::secret()), base: None });
        self
    }

    /// The cursor begins in the first empty field.
    pub(crate) fn focus_empty(mut self) -> Self {
        let empty =
            |field: &FormField| matches!(&field.value, Value::Text(text) | Value::Secret(text) if text.is_empty());
        self.focus = self.fields.iter().position(empty).unwrap_or(0);
        self
    }

    /// Puts the cursor into the field with this label.
    pub(crate) fn focus_on(&mut self, label: &str) {
        self.focus = self.fields.iter().position(|field| field.label == label).unwrap_or(0);
    }

    /// The text of a field.
    pub(crate) fn get(&self, label: &str) -> &str {
        match self.fields.iter().find(|field| field.label == label).map(|field| &field.value) {
            Some(Value::Text(field)) => field.text().trim(),
            _ => "",
        }
    }

    /// The text of a field, unless it is empty.
    pub(crate) fn given(&self, label: &str) -> Option<&str> {
        Some(self.get(label)).filter(|text| !text.is_empty())
    }

    /// Takes the text of a secret field, and empties the field.
    pub(crate) fn take_secret(&mut self, label: &str) -> String {
        match self.fields.iter_mut().find(|field| field.label == label).map(|field| &mut field.value) {
            Some(Value::Secret(field)) => field.wipe(),
            _ => String::new(),
        }
    }

    /// The text field with the cursor.
    pub(crate) fn field_mut(&mut self) -> Option<&mut Field> {
        let (Value::Text(field) | Value::Secret(field)) = &mut self.fields.get_mut(self.focus)?.value;
        Some(field)
    }

    /// The place where the path in the field with the cursor begins, and its text up to the cursor, unless Tab is
    /// better used to go to the next field: where there is one, and nothing is typed in this one.
    pub(crate) fn to_complete(&self) -> Option<(&Place, &str)> {
        let FormField { value: Value::Text(field), base, .. } = self.fields.get(self.focus)? else { return None };
        let is_wanted = self.fields.len() == 1 || !field.is_empty();
        base.as_ref().filter(|_| is_wanted).map(|base| (base, field.before_cursor()))
    }

    /// Takes a key that types.
    pub(crate) fn take(&mut self, key: Key) -> bool {
        let taken = self.field_mut().is_some_and(|field| field.take(key));
        if taken {
            self.fault = None;
            self.completing = None;
            self.choices.clear();
        }
        taken
    }

    /// Moves the cursor to another field, around the ends.
    pub(crate) fn turn(&mut self, forward: bool) {
        let count = self.fields.len().max(1);
        self.focus = (self.focus + if forward { 1 } else { count - 1 }) % count;
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        for field in &mut self.fields {
            if let Value::Secret(field) = &mut field.value {
                field.wipe().zeroize();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_goes_around_and_keys_go_to_its_field() {
        let mut form = Form::new(Purpose::Speed, "").text("a", "x").secret("c");
        form.take(Key::char('y'));
        form.turn(true);
        form.take(Key::char('p'));
        form.turn(true);
        assert_eq!((form.focus, form.get("a"), form.get("c")), (0, "xy", ""));
        assert_eq!(form.take_secret("c"), "p");
        assert_eq!(form.take_secret("c"), "");
    }

    #[test]
    fn a_form_begins_where_something_is_missing() {
        assert_eq!(Form::new(Purpose::Speed, "").text("a", "x").text("b", "").focus_empty().focus, 1);
    }
}
