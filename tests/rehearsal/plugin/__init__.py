"""MiniStack, with what it lacks of AWS for our stack: `python -m tests.rehearsal.plugin`.

It stands upon names that MiniStack promises nobody. So its version is fixed, and each name is asked
for, with its signature, before anything is changed: what does not fit is said by its name.

Environment, besides MiniStack's: REHEARSAL_REGISTRY, host and port of the registry of images;
REHEARSAL_SEED, of the draws by an alias's weights.
It runs in MiniStack's environment, where nothing of the project's is installed.
"""
