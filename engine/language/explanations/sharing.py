"""5xxx: layers from elsewhere, locks, trust and secrets; docs/sharing.md tells the whole story."""

from engine.language.explanations.explanation import Explanation

_COMMIT = "0123456789" * 4

SHARING = {
    "RCP5001": Explanation(
        "Layers of repositories are read over https or ssh from a plain address. Other protocols, a user's name, an option in "
        "place of a name, and files of this machine without `--allow-file` are not read: each is a way to run a program or to "
        "read what is yours.",
        "Write `git+https://HOST/ORG/REPO@COMMIT#PATH`.",
        f'apiVersion: wan-recipe/v1\nkind: recipe\nextends: ["git+http://example.org/o/r@{_COMMIT}#x.yaml"]\n',
    ),
    "RCP5002": Explanation(
        "A layer stays in its project, or in its repository. A name that leads out of it would read files that whoever gets "
        "the recipe does not have, or that are none of its business.",
        "Copy the file into the project.",
        f'apiVersion: wan-recipe/v1\nkind: recipe\nextends: ["git+https://example.org/o/r@{_COMMIT}#../x.yaml"]\n',
    ),
    "RCP5003": Explanation(
        "What the address names is a link, a submodule, a folder, or larger than a recipe can be.",
        "Name a plain file.",
    ),
    "RCP5004": Explanation(
        "A layer from elsewhere names an absolute path, or one outside of your project: it cannot know what lies where on "
        "your machine.",
        "Tell its author; set the word in your own recipe.",
    ),
    "RCP5005": Explanation(
        "A recipe stands on at most 32 repositories, and at most 8 of their layers on each other.",
        "Take some out; nobody can review that many.",
    ),
    "RCP5006": Explanation(
        "A branch or tag can move, so the recipe would mean something else tomorrow. Only a lock, or a commit in full, holds it.",
        "`recipe lock FILE` writes down which commit is meant.",
        'apiVersion: wan-recipe/v1\nkind: recipe\nextends: ["git+https://example.org/o/r@main#x.yaml"]\n',
    ),
    "RCP5007": Explanation(
        "A run uses layers of a repository that was not used here before, and nobody is there to be asked.",
        "Read the files that it names; then run with `--trust ORIGIN`.",
    ),
    "RCP5008": Explanation(
        "A file in the store is not what its name says: it was changed, or the disk is failing.",
        "Remove the folder that the finding names; it is fetched again.",
    ),
    "RCP5101": Explanation(
        "The recipe or one of its layers says something else than when the lock was written.",
        "`recipe lock FILE` writes it anew and shows what is different.",
    ),
    "RCP5102": Explanation(
        "A run was asked to hold to the lock, and there is none, or it cannot be read.",
        "`recipe lock FILE` writes one. A lock is derived: after a conflict, write it anew.",
    ),
    "RCP5103": Explanation(
        "The lock is of a version that this program does not read.",
        "Install a newer version of the program.",
    ),
    "RCP5104": Explanation(
        "A layer of a repository is not in the store, and this verb does not use the network; or fetching it failed.",
        "`recipe lock FILE` fetches what is missing.",
        f'apiVersion: wan-recipe/v1\nkind: recipe\nextends: ["git+https://example.org/o/r@{_COMMIT}#x.yaml"]\n',
    ),
    "RCP5105": Explanation(
        "Layers of repositories are read with git, and it is not installed.",
        "Install git.",
    ),
    "RCP5106": Explanation(
        "A shared folder says on its card what is in it, and something is not as it says.",
        "Ask whoever gave it to you; do not use it.",
    ),
    "RCP5201": Explanation(
        "Something in the file has the form of a token, a key or a password. A recipe is shared, and so is what is in it.",
        "Take it out, and have it revoked if the file was ever shared. The program finds tokens in the environment.",
        'meta: {where: "https://me:not-so-secret@example.org"}\n',
    ),
}  # fmt: skip
