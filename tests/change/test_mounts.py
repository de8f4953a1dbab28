import pytest

from splitter.change.folders import Folders
from splitter.change.mounts import parse_mount
from splitter.template import Mount, MountType
from tests.change.compose import mistake, service, template

FOLDERS = Folders("/srv/shop", "/home/me")


class TestFolders:
    @pytest.mark.parametrize(
        ("path", "resolved"),
        [
            ("a", "/srv/shop/a"),
            ("a:b", "/srv/shop/a:b"),
            ("./a/../b/", "/srv/shop/b"),
            ("../x", "/srv/x"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("~", "/home/me"),
            ("~/x", "/home/me/x"),
            (".", "/srv/shop"),
        ],
    )
    def test_make_paths_absolute(self, path: str, resolved: str) -> None:
        """
        Relative paths start at the project's folder, `~` at the given home.
        """
        assert resolved == FOLDERS.resolve(path)

    @pytest.mark.parametrize("path", ["C:\\src", "c:/src", "\\\\server\\share"])
    def test_of_windows_are_none(self, path: str) -> None:
        """
        A drive or a server is no folder of that name beside the file.
        """
        with pytest.raises(ValueError, match="is a path of Windows; write it as the engine's host has it"):
            FOLDERS.resolve(path)

    def test_home_must_be_known(self) -> None:
        """
        Without HOME in the given environment `~` is a mistake, not a folder of that name.
        """
        with pytest.raises(ValueError, match="needs HOME"):
            Folders("/srv").resolve("~/x")


class TestShortForm:
    @pytest.mark.parametrize(
        ("text", "mount"),
        [
            ("data:/d", Mount(MountType.VOLUME, "/d", "data")),
            ("data:/d:ro", Mount(MountType.VOLUME, "/d", "data", read_only=True)),
            ("data:/d:rw,cached", Mount(MountType.VOLUME, "/d", "data")),
            ("/d", Mount(MountType.VOLUME, "/d")),
            ("./x:/d/", Mount(MountType.BIND, "/d", "/srv/shop/x")),
            ("~/x:/d:ro", Mount(MountType.BIND, "/d", "/home/me/x", read_only=True)),
            ("/var/run/docker.sock:/s", Mount(MountType.BIND, "/s", "/var/run/docker.sock")),
        ],
    )
    def test_every_spelling(self, text: str, mount: Mount) -> None:
        """
        A path is a folder of the host, a bare word a volume, a target alone an anonymous volume.
        """
        assert mount == parse_mount(text, FOLDERS)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a:b", "'b' is not a path inside the container"),
            ("a:/b:ro:x", "'a:/b:ro:x' is not a mount"),
            (":/b", "':/b' is not a mount"),
            ("a:/b:z", "the mode 'z' is not supported yet"),
            ("C:\\data:/data", "'C:\\\\data:/data' begins with a path of Windows"),
            ("\\\\server\\share:/data", "'\\\\\\\\server\\\\share:/data' begins with a path of Windows"),
        ],
    )
    def test_refuses_the_rest(self, text: str, message: str) -> None:
        """
        What is no mount is refused with the part that is wrong.
        """
        with pytest.raises(ValueError) as caught:
            parse_mount(text, FOLDERS)

        assert str(caught.value).startswith(message)


class TestMountsOfAService:
    def test_both_forms_are_one(self) -> None:
        """
        The long form says the same as the short one; tmpfs stands among the mounts, by target.
        """
        long = "{type: bind, source: ./b, target: /b/, read_only: true, bind: {create_host_path: true}}"

        mounts = service(f"volumes: [{long}, {{type: tmpfs, target: /t}}], tmpfs: /run").mounts

        assert mounts == (
            Mount(MountType.BIND, "/b", "/srv/shop/b", read_only=True),
            Mount(MountType.TMPFS, "/run"),
            Mount(MountType.TMPFS, "/t"),
        )

    def test_one_target_once(self) -> None:
        """
        Two mounts at one path are a mistake, whatever their forms.
        """
        assert mistake("volumes: [/x, {type: tmpfs, target: /x/}]") == (
            "services.web.volumes[1]: /x is mounted twice; remove one of the two"
        )
        assert mistake("volumes: [/x], tmpfs: [/x]").startswith("services.web.tmpfs[0]: /x is mounted twice")

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            (
                "{type: cluster, source: a, target: /a}",
                "'cluster' cannot be used here: only a swarm has cluster volumes; write volume",
            ),
            (
                "{type: npipe, source: a, target: /a}",
                "'npipe' cannot be used here: only Windows has named pipes; write bind with the socket's path",
            ),
            ("{type: floppy, target: /a}", "'floppy' is not a type of mount; write one of volume, bind, tmpfs, image"),
            ("{type: image, target: /a}", "an image mount needs a source; write the name of the image"),
            ("{type: image, source: '', target: /a}", "the image has no name; write for example nginx:1.27"),
            ("{type: bind, target: /a}", "a bind mount needs a source; write the folder of the host"),
            ("{type: tmpfs, source: x, target: /a}", "a tmpfs has no source; remove it"),
            ("{type: volume, source: ./x, target: /a}", "a path is not the name of a volume; write type: bind"),
            ("{target: /a}", "a mount needs type and target; write for example type: volume"),
            (
                "{type: bind, source: /a, target: /a, bind: {create_host_path: false, selinux: z}}",
                "the engine takes no label together with create_host_path: false; remove one of the two",
            ),
            (
                "{type: bind, source: /a, target: /a, bind: {recursive: disabled, selinux: Z}}",
                "the engine takes no label together with recursive; remove one of the two",
            ),
            (
                "{type: bind, source: /a, target: /a, bind: {recursive: readonly}}",
                "'readonly' is for what is mounted to be read only; write read_only: true",
            ),
            (
                "{type: bind, source: /a, target: /a, bind: {recursive: deep}}",
                "'deep' is not one of disabled, enabled, readonly, writable",
            ),
            (
                "{type: image, source: a, target: /a, image: {subpath: ../etc}}",
                "'../etc' leads out of the image; write a path that begins at its root, without /",
            ),
            (
                "{type: image, source: a, target: /a, image: {subpath: /etc}}",
                "'/etc' leads out of the image; write a path that begins at its root, without /",
            ),
            (
                "{type: volume, target: /a, volume: {subpath: x}}",
                "a volume without a name is empty, so it has no such folder; name the volume",
            ),
        ],
    )
    def test_long_form_is_checked(self, entry: str, message: str) -> None:
        """
        What a long form lacks, or has too much, is named.
        """
        assert mistake(f"volumes: [{entry}]").endswith(f": {message}")

    def test_of_folders_say_what_lies_below(self) -> None:
        """
        What is mounted below a folder comes along unless the file says otherwise.
        """
        deep = "{type: bind, source: /a, target: /a, bind: {recursive: enabled}}"
        flat = "{type: bind, source: /b, target: /b, bind: {recursive: disabled, create_host_path: false}}"
        part = "{type: bind, source: /c, target: /c, read_only: true, bind: {recursive: writable}}"

        mounts = service(f"volumes: [{deep}, {flat}, {part}]").mounts

        assert mounts == (
            Mount(MountType.BIND, "/a", "/a"),
            Mount(MountType.BIND, "/b", "/b", recursive="disabled", create_host_path=False),
            Mount(MountType.BIND, "/c", "/c", read_only=True, recursive="writable"),
        )

    def test_of_images_and_parts(self) -> None:
        """
        An image is mounted by its name, and of an image or a volume a folder will do.
        """
        text = """
        services:
          web:
            image: web
            volumes:
              - {type: image, source: "site:1", target: /site, image: {subpath: ./public/}}
              - {type: volume, source: data, target: /data, volume: {subpath: web}}
        volumes: {data: }
        """

        assert template(text).services["web"].mounts == (
            Mount(MountType.VOLUME, "/data", "data", subpath="web"),
            Mount(MountType.IMAGE, "/site", "site:1", subpath="public"),
        )
