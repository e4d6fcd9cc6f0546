"""The shapes in which an event may leave; each is a pure function of the stored standard body."""
