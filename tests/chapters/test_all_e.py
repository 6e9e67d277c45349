"""ALL-E: values of the authors' code, closed forms, boundaries."""

import numpy as np
import pytest
import torch
from chapters.all_e import comparators, darkened, photographs, released, runs
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from tests.golden import cases
from tests.library import tiny_datasets as tiny
from weaklabels.data import lowlight
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.methods import all_e
from weaklabels.press.chapter import Chapter
from weaklabels.seeding import numpy_rng

CASES = cases("all_e")


def case(name):
    """Inputs as tensors (float64, actions int64), and what is expected."""

    def value(name, x):
        if not isinstance(x, list):
            return x
        return torch.tensor(x, dtype=torch.int64 if "action" in name else torch.float64)

    found = CASES[name]
    return {k: value(k, v) for k, v in found["inputs"].items()}, found["expected"]


def close(found, expected, rtol=0.0, atol=1e-9):
    found = found.detach().numpy() if torch.is_tensor(found) else found
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


# -- golden values --------------------------------------------------------------------------------


def test_a_step_and_the_next():
    # The authors' images are float32.
    given, expected = case("curve_step")
    once = all_e.step(given["x"], given["action"])
    close(once, expected["after1"], atol=1e-6)
    close(all_e.step(once, given["action"]), expected["after2"], atol=1e-6)


def test_the_constant_policy_of_the_released_weights():
    given, expected = case("released_constant_policy")
    x, means = given["x"], []
    for _ in range(6):
        x = all_e.step(x, all_e.constant_action(x, all_e.RELEASED))
        means.append(x.mean((0, 2, 3)).numpy())
    close(x, expected["final"], atol=1e-6)
    close(np.array(means), expected["channel_means"], atol=1e-6)


def test_the_terms_of_the_reward():
    given, expected = case("losses_and_reward")
    x, raw, action = given["current"], given["raw"], given["action"]
    close(all_e.spatial_consistency(x, raw).mean(), expected["spa"])
    close(all_e.colour_constancy(x).mean(), expected["color"])
    close(all_e.total_variation(all_e.strength(action.double())), expected["tv"], rtol=1e-9)
    close(all_e.exposure(x).mean(), expected["exp"], atol=1e-8)  # their 0.6 is float32
    score = all_e.mean_score(given["score_dist"]).sum()
    close(score, expected["score_sum"], atol=1e-7)
    terms = all_e.reward(x, raw, action, score - given["prev_score_sum"])
    close(sum(terms.values()), expected["reward"], rtol=1e-9)


def test_the_loss_of_the_judge():
    given, expected = case("nima_emd")
    found = all_e.earth_mover(given["p"], given["q"])
    close(found, expected["per_sample"], atol=1e-6)
    close(found.mean(), expected["emd"], atol=1e-6)
    close(all_e.mean_score(given["p"]), expected["mean_scores"], atol=1e-6)
    same = given["p"].clone().requires_grad_()
    all_e.earth_mover(same, given["p"]).sum().backward()
    close(same.grad, np.zeros(same.shape))


def test_psnr_and_ssim():
    given, expected = case("psnr_ssim")
    image, reference = given["img"], given["ref"]
    close(-10 * (image - reference).square().mean().log10(), expected["psnr"], atol=1e-8)
    found = peak_signal_noise_ratio(image, reference, data_range=1.0)
    close(found, expected["psnr"], atol=1e-5)  # torchmetrics divides in single precision
    found = structural_similarity_index_measure(image, reference, data_range=1.0)
    close(found, expected["ssim"], atol=1e-6)


@pytest.mark.parametrize("name", ["a3c_scalar_reward_gamma1.05", "a3c_pixel_reward_gamma0.95"])
def test_the_actor_critic_loss_and_its_gradients(name):
    given, expected = case(name)
    logits, values = given["logits"].requires_grad_(), given["values"].requires_grad_()
    rewards = given["rewards"]
    if rewards.ndim == 2:
        rewards = rewards.view(-1, 1, 1, 1, 1)
    loss = all_e.actor_critic_loss(
        logits.transpose(1, 2),
        values,
        given["actions"].transpose(1, 2),
        rewards,
        gamma=given["gamma"],
        entropy=given["beta_entropy"],
    )
    close(loss, expected["total_loss"], rtol=1e-4)
    for found, key in zip(
        torch.autograd.grad(loss, [logits, values]), ("grad_logits", "grad_values"), strict=True
    ):
        close(found, expected[key], rtol=1e-4, atol=1e-6)


# -- closed forms ---------------------------------------------------------------------------------


def test_uniform_actions_cost_what_the_closed_form_says():
    """200 L_tv of uniform random actions is 898.8 a step: far above any other term."""
    assert 200 * all_e.expected_variation() == pytest.approx(200 * 2 * 728 / 324)
    rng = torch.Generator().manual_seed(0)
    action = torch.randint(0, all_e.LEVELS, (8, 3, 64, 64), generator=rng)
    measured = float(all_e.total_variation(all_e.strength(action)))
    assert measured == pytest.approx(all_e.expected_variation(), rel=0.02)
    assert all_e.expected_variation([0.0] * 26 + [1.0]) == 0


def test_roughness_by_hand():
    alpha = torch.zeros(1, 3, 3, 3)
    alpha[0, 0, 0, 0] = 1.0
    expected = torch.zeros(1, 1, 3, 3)
    expected[0, 0, 0, 0] = 2.0
    expected[0, 0, 0, 1] = expected[0, 0, 1, 0] = 1.0
    assert torch.equal(all_e.roughness(alpha), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 26), st.integers(0, 26), st.integers(0, 26), st.integers(1, 12))
def test_any_number_of_steps_stays_in_range_and_keeps_order(a, b, c, steps):
    x = torch.linspace(0, 1, 33, dtype=torch.float64).view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    for _ in range(steps):
        x = all_e.step(x, all_e.constant_action(x, (a, b, c)))
    assert x.min() == 0
    assert x.max() == 1
    assert (x.diff(dim=3) >= 0).all()


def test_the_first_channel_leads():
    alpha = torch.tensor([0.9, 0.0, -0.5]).view(1, 3, 1, 1)
    close(all_e.couple(alpha).flatten(), [0.9, 0.81, 0.76], atol=1e-7)


def test_returns_with_a_discount_above_one():
    close(all_e.returns(torch.tensor([1.0, 2.0, 4.0]), 1.05), [7.51, 6.2, 4.0], atol=1e-6)


def test_only_the_policy_term_moves_the_policy():
    """With R = V and no weight on entropy nothing moves; the value learns from the value term."""
    logits = torch.randn(1, 1, 3, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    values = torch.full((1, 1, 1, 2, 2), 3.0, dtype=torch.float64, requires_grad=True)
    actions = torch.zeros(1, 1, 3, 2, 2, dtype=torch.int64)
    options = {"gamma": 1.0, "entropy": 0.0}
    loss = all_e.actor_critic_loss(logits, values, actions, values.detach(), **options)
    policy, value = torch.autograd.grad(loss, [logits, values])
    assert not policy.any()
    assert not value.any()
    loss = all_e.actor_critic_loss(logits, values, actions, values.detach() + 1, **options)
    (value,) = torch.autograd.grad(loss, values)
    close(value, np.full((1, 1, 1, 2, 2), -0.5 / 4))


def test_the_standardised_loss_does_not_depend_on_the_scale_of_rewards():
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 1, 3, 5, 4, 4, generator=rng, dtype=torch.float64)
    actions = torch.randint(0, 5, (2, 1, 3, 4, 4), generator=rng)
    rewards = torch.randn(2, 1, 1, 4, 4, generator=rng, dtype=torch.float64)
    values = torch.zeros_like(rewards)
    one, thousand = (
        all_e.actor_critic_loss(logits, values, actions, c * rewards, standardise=True)
        for c in (1, 1000)
    )
    assert float(one) == pytest.approx(float(thousand))


def test_draws_follow_the_policy():
    rng = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 2.0, -100.0]).view(1, 1, 4, 1, 1).expand(1, 3, 4, 100, 100)
    action = all_e.draw(logits, torch.rand(1, 3, 100, 100, generator=rng))
    share = torch.bincount(action.flatten(), minlength=4) / action.numel()
    close(share, logits[0, 0, :, 0, 0].softmax(0), atol=0.01)
    edge = all_e.draw(logits[..., :1, :1], torch.full((1, 3, 1, 1), 1 - 2**-24))
    assert edge.max() <= 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_black_and_white_images_and_extreme_logits_are_finite(dtype):
    black, white = torch.zeros(1, 3, 16, 16, dtype=dtype), torch.ones(1, 3, 16, 16, dtype=dtype)
    for x in (black, white):
        assert all_e.colour_constancy(x).item() == 0
        assert 0 <= all_e.stand_in(x.float()).item() <= 10
    logits = torch.full((1, 1, 3, 4, 2, 2), -100.0, dtype=dtype)
    logits[:, :, :, 0] = 100
    logits.requires_grad_()
    actions = torch.ones(1, 1, 3, 2, 2, dtype=torch.int64)
    values = torch.zeros(1, 1, 1, 2, 2, dtype=dtype, requires_grad=True)
    loss = all_e.actor_critic_loss(logits, values, actions, torch.ones(1, 1, 1, 1, 1, dtype=dtype))
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, [logits, values]))


def test_bytes_are_cut_not_rounded():
    x = torch.tensor([-0.1, 0.0, 0.999 / 255, 1.0, 1.2])
    assert all_e.to_bytes(x).tolist() == [0, 0, 0, 255, 255]


# -- the judge and the agents ---------------------------------------------------------------------


def test_the_stand_in_leaves_the_image_alone_and_dislikes_darkness():
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    kept = x.clone()
    bright, dark = all_e.stand_in(x), all_e.stand_in(0.1 * x)
    assert torch.equal(x, kept)
    assert (bright > dark).all()


def test_the_network_has_the_size_of_the_released_one():
    agents = all_e.PixelAgents()
    assert sum(p.numel() for p in agents.parameters()) == 307_602
    logits, values = all_e.PixelAgents(4, (2,), (2,))(torch.zeros(2, 3, 6, 5))
    assert logits.shape == (2, 3, 27, 6, 5)
    assert values.shape == (2, 1, 6, 5)


@pytest.mark.parametrize("local", [False, True])
def test_an_episode_is_repeatable_and_leaves_the_images_alone(local):
    torch.manual_seed(0)
    agents = all_e.PixelAgents(4, (2,), (2,))
    raw = 0.3 * torch.rand(2, 3, 16, 16)
    kept = raw.clone()
    how = all_e.Training(local=local, cell=4, steps=3, from_zero=False)
    first, second = (
        all_e.play(agents, raw, all_e.stand_in, how, torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert torch.equal(raw, kept)
    assert torch.equal(first.actions, second.actions)
    assert torch.equal(first.loss, second.loss)
    first.loss.backward()
    assert all(p.grad is not None for p in agents.parameters())
    states, actions = all_e.enhance(agents, raw, 3)
    assert states.shape == (4, 2, 3, 16, 16)
    assert torch.equal(all_e.step(states[0], actions[0]), states[1])


def test_a_local_reward_averages_to_the_terms_of_the_whole_image():
    rng = torch.Generator().manual_seed(3)
    raw, x = torch.rand(1, 3, 8, 8, generator=rng), torch.rand(1, 3, 8, 8, generator=rng)
    action = torch.randint(0, 27, (1, 3, 8, 8), generator=rng)
    weights = all_e.Weights()
    own = all_e.local_reward(x, raw, action, torch.ones(1), weights, cell=4)
    whole = all_e.reward(x, raw, action, 1.0, weights, cell=4)
    for name in ("colour", "spatial", "exposure", "aesthetic"):
        assert float(own[name].mean()) == pytest.approx(float(whole[name]), rel=1e-5)


def test_direct_descent_has_a_gradient():
    torch.manual_seed(0)
    net = all_e.CurveNet(4)
    raw = torch.rand(1, 3, 16, 16)
    alpha = net(raw)
    all_e.direct_loss(all_e.bend_repeatedly(raw, alpha, 3), raw, alpha).backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


# -- the experiments ------------------------------------------------------------------------------


def test_darkened_photographs_are_darker_and_repeatable():
    left, right = photographs.halves()
    assert left.shape == right.shape == (3, 214, 160)
    first, second = (photographs.darken(right, 2, numpy_rng(0, "test")) for _ in range(2))
    assert torch.equal(first, second)
    assert first.min() >= 0
    assert 0.12 < float(first.mean() / right.mean()) < 0.8


def test_comparators_do_what_they_say():
    x = 0.4 * torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(comparators.gamma_to_mean(x).mean()) == pytest.approx(0.6, abs=1e-4)
    even = all_e.luminance(comparators.equalise(x))
    assert float(even.median()) == pytest.approx(0.5, abs=0.02)
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert torch.equal(comparators.equalise(flat), flat)
    photos = photographs.Photographs(x, comparators.repeat_action(x, (17,) * 3, 3), x, x)
    assert comparators.best_constant(photos, 3, with_reference=True) == 17
    with pytest.raises(ValueError, match="'magic': expected one of input, gamma"):
        comparators.enhancer("magic", photos, 3)
    with pytest.raises(ValueError, match="expected 'china' or 'lol'"):
        photographs.photographs(runs.Spec(dataset="moon"))


def test_the_correlation_of_a_constant_map_is_zero():
    a = torch.arange(6.0)
    assert runs.correlation(a, -2 * a) == pytest.approx(-1)
    assert runs.correlation(a, torch.ones(6)) == 0


@pytest.fixture
def small(monkeypatch):
    """One small photograph of each kind, whatever a run asks for."""
    whole = photographs.china(0, copies=1, tests=1)
    cut = photographs.Photographs(*(images[..., :32, :32] for images in vars(whole).values()))
    for module in (runs, comparators):
        monkeypatch.setattr(module, "photographs", lambda _: cut)
    return cut


def test_a_run_and_its_agents_come_back(small):
    spec = runs.Spec(episodes=1, batch=2, width=4, test_steps=1, crop=8)
    values = {name: np.asarray(value) for name, value in runs.run(spec).items()}
    assert values["psnr"].shape == (1, 2)
    assert values["terms"].shape == (1, 5)
    agents = runs.agents_of(Record(spec, values, {}))
    states, actions = all_e.enhance(agents, small.test, 1)
    assert np.array_equal(actions[:, 0].numpy(), values["actions"])
    assert np.array_equal(all_e.to_bytes(states[:, 0]).numpy(), values["states"])


def test_comparators_are_measured_on_the_photographs_of_the_agents(small):
    base = runs.Spec(seed=3, batch=2, crop=8, device="cpu", data_options=options(tests=1))
    settings = runs.Settings(base, long=2, descent=1, gammas=4)
    specs = runs.fixed(settings)
    assert {spec.seed for spec in specs.values()} == {3}
    assert {spec.data_options for spec in specs.values()} == {base.data_options}
    perfect = comparators.compare(specs["reference"])
    assert perfect["error"] == pytest.approx(0, abs=1 / 255)
    untouched = comparators.compare(specs["input"])
    assert untouched["psnr"] < perfect["psnr"]
    descent = runs.descent(settings)
    assert (descent.episodes, descent.cell) == (1, base.training.cell)
    assert comparators.direct_descent(descent)["image"].shape == (3, 32, 32)


def test_patches_of_the_paired_photographs(tmp_path):
    for part in ("our485", "eval15"):
        for kind, value in (("low", 20), ("high", 150)):
            folder = tmp_path / "lowlight" / "LOL" / part / kind
            folder.mkdir(parents=True)
            Image.new("RGB", (40, 32), (value, value, value)).save(folder / "1.png")
    spec = runs.Spec(
        dataset="lol", data_root=str(tmp_path), crop=16, scales=(1,), turn=10.0, batch=8
    )
    photos = photographs.photographs(spec)
    assert float(photos.test_reference.mean()) == pytest.approx(150 / 255)
    found = photographs.patches(photos.train, spec, numpy_rng(0, "patches"))
    assert found.shape == (8, 3, 16, 16)
    assert found.max() <= 20 / 255 + 1e-6
    assert (found.flatten(1).std(1) > 0).any()  # a turned patch has black corners
    assert spec.code() == [lowlight.lol]


def test_the_claims_are_about_longer_training():
    settings = runs.settings(Chapter("all_e"))
    assert {spec.episodes for spec in runs.long(settings).values()} == {1200}
    assert {spec.episodes for spec in runs.table(settings).values()} == {400}
    whole = runs.whole(settings)[runs.WHOLE]
    assert (whole.episodes, whole.training.cell) == (1200, whole.crop)
    coded = runs.as_coded(settings)[runs.AS_CODED]
    assert (coded.training.weights, coded.training.local) == (all_e.Weights(), False)


def test_the_end_of_the_picture_shows_in_the_actions_that_see_it():
    torch.manual_seed(0)
    agents = all_e.PixelAgents(8, (2, 3), (2,))
    at_end, inside = runs.frame(agents, 0.2 * torch.rand(1, 3, 40, 40))
    assert at_end > inside == 0


# -- the audit of released policies ---------------------------------------------------------------


def stored(agents):
    """The weights of agents as the authors' code saves them."""
    state, found = agents.state_dict(), {}
    for name, layer in released.LAYERS.items():
        found[f"{name}/W"], found[f"{name}/b"] = state[f"{layer}.weight"], state[f"{layer}.bias"]
    for part, layer in (("W", "weight"), ("b", "bias")):
        heads = state[f"policy.4.{layer}"].split(all_e.LEVELS)
        found |= {f"{name}/{part}": head for name, head in zip(released.HEADS, heads, strict=True)}
    return {name: value.numpy() for name, value in found.items()}


def test_an_audit_of_stored_policies(tmp_path):
    torch.manual_seed(0)
    agents = all_e.PixelAgents(width=4)
    folder = tmp_path / "all-e"
    (folder / "images").mkdir(parents=True)
    chapter = Chapter("all_e", data_root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match="expected the authors' weights"):
        released.audit(chapter)
    pixels = np.random.default_rng(0).integers(0, 90, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "1.png")
    np.savez(folder / "any.npz", **stored(agents))
    again = released.agents_from(folder / "any.npz")
    assert_same = zip(again.parameters(), agents.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in assert_same)
    with torch.no_grad():
        agents.policy[4].weight.zero_()
        agents.policy[4].bias.zero_()
        agents.policy[4].bias[[22, 27 + 26, 54 + 23]] = 1.0
    np.savez(folder / "constant.npz", **stored(agents))
    found = released.audit(chapter)
    assert found["images"] == 1
    constant = found["files"]["constant"]
    assert tuple(constant["action"]) == all_e.RELEASED
    assert constant["share_at_least"] == [100.0] * 3
    assert len(constant["share_by_step"]) == released.STEPS
    assert constant["mean_after"][0] > constant["mean_before"][0]
    np.savez(folder / "broken.npz", nothing=np.zeros(1))
    with pytest.raises(ValueError, match=r"broken\.npz: layers conv1, .* are missing"):
        released.audit(chapter)


# -- claims ---------------------------------------------------------------------------------------


def test_photographs_that_had_no_part_in_the_trials(tmp_path, monkeypatch):
    images = {"val": {f"2009_{i:06d}": [("person", 0, (5, 5, 30, 25))] for i in range(6)}}
    tiny.voc_devkit(tmp_path, 2012, {"train": images["val"], **images})
    monkeypatch.setattr(darkened, "PHOTOGRAPHS", 4)
    monkeypatch.setattr(darkened, "SIDE", 24)
    small = runs.Spec(
        episodes=1, batch=2, width=4, test_steps=2, crop=8, data_options=options(copies=1, tests=1)
    )
    monkeypatch.setattr(
        runs, "settings", lambda _: runs.Settings(small, long=1, descent=1, gammas=4)
    )
    store = Store(tmp_path / "runs")
    setting = Setting("quick", "cpu", 2, str(tmp_path), store, tmp_path / "recorded")
    record = darkened.darkened(setting)
    assert record["data"]["photographs"] == 4
    by_method = {row["method"]: row for row in record["rows"]}
    assert len(by_method) == len(comparators.FIXED) - 1 + 3
    assert by_method["input"]["light"] < 0.6
    clear = torch.rand(2, 3, 24, 24)
    found = darkened.fidelity((0.5 * clear).split(1), clear)
    stored = (0.5 * clear * 255).floor() / 255
    pairs = zip(stored, clear, strict=True)
    errors = [-10 * ((a - b) ** 2).mean().log10().item() for a, b in pairs]
    assert found["psnr"] == pytest.approx(np.mean(errors), abs=1e-3)
