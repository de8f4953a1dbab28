from splitter.daemon import compare
from splitter.facts import NO_FACTS, Facts
from splitter.rollout.options import AppOptions
from splitter.routing import RouteRule
from splitter.template import Service, Template

APP = AppOptions(
    name="shop",
    provisioner="docker",
    template_files=("/srv/shop/compose.yaml",),
    routes=(RouteRule("shop", "", "/", "web", 8000),),
)
TEMPLATE = Template("shop", "/srv/shop", {"web": Service(name="web", image="web:1")})


class TestCompare:
    def test_hands_on_what_the_engine_knows(self) -> None:
        """
        The price of going back counts an image of live that is gone.
        """
        known = compare(APP, TEMPLATE, TEMPLATE, Facts(lost_images=frozenset({"web"})))
        unknown = compare(APP, TEMPLATE, TEMPLATE, NO_FACTS)

        assert [reason.id for reason in known.cost.reasons] == ["RE1"]
        assert unknown.cost.reasons == ()
