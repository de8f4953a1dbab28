from provisioners.docker.shares import NOTHING, Guest, Shares


class TestLabel:
    def test_says_what_is_shared(self) -> None:
        """
        What a label's text says is what was written.
        """
        guest = Guest(("shop-r1-db-1", "shop-r1-db-2"), {"shop-r2_default": ("db", "database")})
        larger = Guest(("shop-r1-cache-1",), {}, {"Memory": 2**30, "RestartPolicy": {"Name": "no"}})
        shares = Shares({"db": guest, "cache": larger}, {"data": "shop-r1_data"})

        assert shares == Shares.read(shares.text())

    def test_is_left_out_where_nothing_is(self) -> None:
        """
        A stack that shares nothing has no such label.
        """
        assert NOTHING.text() == ""
        assert Shares.read("") == NOTHING

    def test_names_each_guest_with_its_service(self) -> None:
        """
        A container of another stack is known by the service that it is here.
        """
        shares = Shares({"db": Guest(("shop-r1-db-1",), {}), "cache": Guest(("shop-r0-cache-1",), {})})

        assert shares.containers == {"shop-r1-db-1": "db", "shop-r0-cache-1": "cache"}
