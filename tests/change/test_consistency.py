from tests.change.compose import mistakes, template


class TestNames:
    def test_undefined_ones_are_all_reported(self) -> None:
        """
        A service, network or volume that is not defined is named where it is used, with the nearest one that is.
        """
        text = """
        services:
          web:
            image: a
            depends_on: [dbb]
            networks: [bakc]
            volumes: ["store:/x"]
          db: {image: b}
        networks: {back: }
        """

        assert mistakes(text) == [
            "5:18: services.web.depends_on.dbb: there is no service 'dbb'; did you mean 'db'?",
            "6:16: services.web.networks.bakc: there is no network 'bakc'; did you mean 'back'?",
            "7:14: services.web.volumes: /x: there is no volume 'store'; define it under volumes",
        ]

    def test_optional_dependencies_may_be_missing(self) -> None:
        """
        A dependency that is not required is dropped when it is not there.
        """
        read = template("services: {web: {image: a, depends_on: {no: {condition: service_started, required: false}}}}")

        assert read.services["web"].depends_on == ()

    def test_container_names_are_unique(self) -> None:
        """
        Two services cannot ask for one container name.
        """
        found = mistakes("services: {a: {image: a, container_name: shop}, b: {image: b, container_name: shop}}")

        assert found == [
            "1:79: services.b.container_name: 'a' has this container name as well; write another",
        ]


class TestLoops:
    def test_the_shortest_is_printed(self) -> None:
        """
        A loop is shown once, the shortest first.
        """
        text = """
        services:
          a: {image: a, depends_on: [b]}
          b: {image: a, depends_on: [c]}
          c: {image: a, depends_on: [a, d]}
          d: {image: a, depends_on: [c]}
        """

        [found] = mistakes(text)

        assert found == (
            "5:33: services.c.depends_on.d: these services wait for each other for ever: c → d → c;"
            " remove one of the dependencies"
        )

    def test_itself(self) -> None:
        """
        A service that waits for itself is a loop of one.
        """
        assert "for ever: a → a;" in mistakes("services: {a: {image: a, depends_on: [a]}}")[0]
