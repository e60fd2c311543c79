"""Evidence to findings, pure: what a session or a text showed, explained by a catalogue of causes and rules."""
